"""The fine-tuning run on the Hugging Face Trainer: gradient steps, dev evaluations, checkpoints, the best adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, Trainer

from lab_lib.errors import LabError, OutOfMemory, Stopped
from lab_lib.files import writing
from lab_lib.folders import remove, require_folder
from lab_lib.models.fast_cpu.unpacked_for_training import unpack_choice, unpacked_for_training
from lab_lib.models.hardware import Choice
from lab_lib.processes.rank import this_process, world_size
from lab_lib.training.arguments import step_count, training_arguments, untrained_line
from lab_lib.training.batches import Encoded, EpochOrder, batch_line, blank_row, epoch_order
from lab_lib.training.callbacks import (
    KeepBytes,
    MarkComplete,
    RunLog,
    StopAtNaN,
    StopOnSignal,
    mean_of_processes,
)
from lab_lib.training.checkpoints import last_checkpoint, path_of
from lab_lib.training.config import TrainConfig
from lab_lib.training.log import LOG, append_row
from lab_lib.training.loggers import prepare_loggers
from lab_lib.training.loss import batching_for
from lab_lib.training.packing import LONGEST
from lab_lib.training.seq2seq import rows_for
from lab_lib.training.sharding import WHOLE, require_same_kind, require_sharded
from lab_lib.training.stopping import Notice

# Called with the model and the step during training; returns {metric: value} on dev, and may write samples.
DevEvaluation = Callable[[Any, int], Mapping[str, float]]


class OurWays:
    """Our additions to a Trainer: the order of examples, the dev evaluation, errors in one line."""

    def __init__(self, *args: Any, order: EpochOrder, dev: DevEvaluation | None, log_path: Path, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.order, self.dev, self.log_path = order, dev, log_path

    args: Any
    state: Any
    model: Any
    is_fsdp_enabled: bool

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write a checkpoint into a new folder; a damaged or half-written one of the same step is removed first."""
        processes, path = this_process(), path_of(Path(self.args.output_dir), self.state.global_step)
        if processes.first:
            require_folder(path.parent.parent)
            remove(path)
        processes.wait()
        with writing(path.parent):
            super()._save_checkpoint(model, trial)  # type: ignore[misc]

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the weights of a checkpoint; the weights of a sharded model are written with the optimiser's state
        instead.

        The Trainer would also gather all weights of the base, which the file does not contain.
        """
        if not self.is_fsdp_enabled:
            super().save_model(output_dir, _internal_call)  # type: ignore[misc]

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self.order

    def floating_point_ops(self, inputs: Any) -> int:
        """Return 0: the Trainer would count all parameters for every micro batch, 3 % of a short step of a 135M model,
        for a figure that nobody reads.
        """
        return 0

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Decode and score the dev items; the random state of training is restored afterwards."""
        import torch

        assert self.dev is not None
        step = self.state.global_step
        with torch.random.fork_rng():
            metrics = {f"eval_{name}": float(value) for name, value in self.dev(self.model, step).items()}
        self.model.train()
        append_row(self.log_path, {"step": step, "dev": {n.removeprefix("eval_"): v for n, v in metrics.items()}})
        self.log(dict(metrics))  # type: ignore[attr-defined]
        handler: Any = self.callback_handler  # type: ignore[attr-defined]
        self.control: Any = handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class LabTrainer(OurWays, Trainer):
    """The Hugging Face Trainer with our additions."""


def train(
    model: Any,
    examples: Sequence[Encoded],
    config: TrainConfig,
    folder: Path,
    *,
    pad: int,
    eos: int,
    precision: str,
    dev: DevEvaluation | None = None,
    best_metric: str | None = None,
    greater_is_better: bool = True,
    log: Callable[[str], None] = lambda line: None,
    callbacks: Sequence[Any] = (),
    notice: Notice | None = None,
    sharding: str = WHOLE,
) -> dict[str, float]:
    """Fine-tune `model` in place, resuming from the newest complete checkpoint below `folder`; return its figures.

    `model` is ready for training (adapter attached, `use_cache` off). With `dev` and `config.evaluate_every` the model
    ends as its best checkpoint by `best_metric`, a key of what `dev` returns (`config.best_metric` if not given), else
    as its last one. `log` is called with each line of progress; `callbacks` are the Trainer's, called after ours. With
    a `sharding` (see sharding.py) `model` ends sharded. The figures: steps, examples, tokens, supervised_tokens,
    seconds, loss and best_step. Does not save the adapter; the caller does. Raises LabError on NaN loss or when nothing
    is trainable, and Stopped, after a checkpoint, when a signal reached `notice`.
    """
    require_trainable(model)
    for line in prepare_loggers(config.loggers, folder):
        log(line)
    rows, lengths = rows_for(model, examples, eos), [len(example.ids) for example in examples]
    batching = batching_for(model, pad)
    log(f"logits at {batching.logits}")
    if batching.packing and sum(sorted(lengths)[: config.micro_batch_size]) <= LONGEST:  # some micro batch is short
        log(f"short rows are {batching.packing}")
    log(batch_line(config, world_size()))
    steps, tokens = step_count(config, len(rows)), config.batch_size * sum(lengths) / len(rows)
    if untrained := untrained_line(config, steps):
        log(untrained)
    dev = dev if config.evaluate_every else None
    best = (best_metric or config.best_metric) if dev else None
    if dev and best is None:
        raise ValueError("train: dev evaluations need `best_metric`, a key of what `dev` returns")
    trainer = LabTrainer(
        model=model,
        args=training_arguments(config, folder, steps, precision, world_size(), best, greater_is_better),
        train_dataset=[*rows, blank_row(eos)],  # the last one pads the epoch for several processes
        eval_dataset=rows[:1] if dev else None,  # never read: evaluate() decodes dev items instead
        data_collator=batching.collate,
        compute_loss_func=batching.loss,
        callbacks=[*our_callbacks(model, folder, config, tokens, log, notice, sharding), *callbacks],
        order=epoch_order(lengths, config),
        dev=dev,
        log_path=folder / LOG,
    )
    trainer.remove_callback(PrinterCallback)  # this callback prints raw dictionaries; RunLog prints a line instead
    with unpacked_for_training(model, choose_unpacking(model, lengths, config, sharding, log)):
        result = run_trainer(trainer, config, folder, steps, sharding, log)
    if notice and notice.number and trainer.state.global_step < steps:
        raise Stopped(notice.number)
    return {"steps": steps, **sizes(examples), **outcome(result, trainer)}


def choose_unpacking(
    model: Any, lengths: Sequence[int], config: TrainConfig, sharding: str, log: Callable[[str], None]
) -> Choice:
    """Return whether 4-bit weights are unpacked once for the whole training, and say so."""
    choice = unpack_choice(model, config.micro_batch_size * sum(lengths) / len(lengths))
    if sharding != WHOLE:
        choice = Choice("no", "no process has whole weights")
    if choice.value == "yes":
        log(f"unpack for training: {choice.reason}")
    return choice


def require_trainable(model: Any) -> None:
    """Raise LabError when no parameter of the model would be trained."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise LabError("no parameter of the model is trainable; attach an adapter or set lora.method=full")


def our_callbacks(
    model: Any,
    folder: Path,
    config: TrainConfig,
    tokens: float,
    log: Callable[[str], None],
    notice: Notice | None,
    sharding: str,
) -> list[Any]:
    """Return the callbacks of every run, in the order of their calls; `tokens` is the mean per step."""
    return [
        RunLog(folder / LOG, tokens, log),
        StopAtNaN(),
        MarkComplete(config.keep_checkpoints),
        *([StopOnSignal(notice)] if notice else []),
        *([] if sharding == WHOLE else [KeepBytes(model)]),
    ]


def run_trainer(
    trainer: Trainer, config: TrainConfig, folder: Path, steps: int, sharding: str, log: Callable[[str], None]
) -> Any:
    """Train up to `steps`, resuming from the newest whole checkpoint below `folder`; return the Trainer's result."""
    require_sharded(sharding, trainer)
    processes = this_process()  # the first process verifies the checkpoints and sends the result to the others
    found = last_checkpoint(folder / "checkpoints", steps, log) if processes.first else None
    checkpoint = processes.gather(found)[0]
    require_same_kind(sharding, checkpoint)
    with explained_out_of_memory(config):
        return trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def sizes(examples: Sequence[Encoded]) -> dict[str, int]:
    """Return the numbers of examples, tokens and supervised tokens."""
    tokens, supervised = sum(len(e.ids) for e in examples), sum(sum(e.loss_mask) for e in examples)
    return {"examples": len(examples), "tokens": tokens, "supervised_tokens": supervised}


def outcome(result: Any, trainer: Trainer) -> dict[str, float]:
    """Return the seconds, the mean loss and the best step of a finished training; all processes must call it.

    After the last logging step each process has summed only its own part of the loss; the mean over processes is the
    loss.
    """
    seconds, loss = result.metrics["train_runtime"], mean_of_processes(result.training_loss, trainer.args.device)
    best = trainer.state.best_global_step or trainer.state.max_steps
    return {"seconds": round(seconds, 1), "loss": round(loss, 4), "best_step": best}


@contextmanager
def explained_out_of_memory(config: TrainConfig) -> Iterator[None]:
    """Turn an out-of-memory error inside the `with` (GPU or CPU) into an OutOfMemory that names the setting."""
    import torch

    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise OutOfMemory(
            f"out of memory while training: halve training.micro_batch_size (now {config.micro_batch_size}; the "
            "gradient stays the same), or set training.gradient_checkpointing=true"
        ) from None
