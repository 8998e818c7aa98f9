"""The fine-tuning run on the Hugging Face Trainer: gradient steps, dev evaluations, checkpoints, the best adapter."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, Trainer, TrainingArguments

from lab_lib.errors import LabError, OutOfMemory, Stopped
from lab_lib.files import writing
from lab_lib.processes.rank import world_size
from lab_lib.training.batches import Encoded, EpochOrder, batch_line, blank_row
from lab_lib.training.callbacks import (
    KeepBytes,
    MarkComplete,
    RunLog,
    StopAtNaN,
    StopOnSignal,
    append_row,
    last_checkpoint,
    mean_of_processes,
)
from lab_lib.training.config import TrainConfig
from lab_lib.training.loggers import prepare_loggers
from lab_lib.training.loss import batching_for
from lab_lib.training.seq2seq import rows_for
from lab_lib.training.sharding import WHOLE, require_same_kind, require_sharded
from lab_lib.training.stopping import Notice

# Called with the model in the middle of training and the step; returns dev metrics, and may write samples itself.
DevEvaluation = Callable[[Any, int], Mapping[str, float]]


class DialogueTrainer(Trainer):
    """The Hugging Face Trainer with our order of examples, our dev evaluation, and one line when it cannot write."""

    def __init__(self, *args: Any, order: EpochOrder, dev: DevEvaluation | None, log: Path, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.order, self.dev, self.log_path = order, dev, log

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with writing(self.args.output_dir):
            super()._save_checkpoint(model, trial)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the weights of a checkpoint; sharded ones are written beside the optimiser's state, the trained ones.

        The Trainer would put all weights of the base together, too, only to leave them out of the file.
        """
        if not self.is_fsdp_enabled:
            super().save_model(output_dir, _internal_call)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return self.order

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Decode and score the dev dialogues; training's random state is left as it was."""
        import torch

        assert self.dev is not None
        step = self.state.global_step
        with torch.random.fork_rng():
            metrics = {f"eval_{name}": float(value) for name, value in self.dev(self.model, step).items()}
        self.model.train()
        append_row(self.log_path, {"step": step, "dev": {n.removeprefix("eval_"): v for n, v in metrics.items()}})
        self.log(dict(metrics))
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def step_count(config: TrainConfig, examples: int) -> int:
    """Return the optimiser steps of a run: `steps`, or epochs x examples / batch_size, rounded up.

    >>> step_count(TrainConfig(epochs=3, batch_size=16), 400)
    75
    """
    if config.steps is not None:
        return config.steps
    return math.ceil(config.epochs * math.ceil(examples / config.batch_size))


def epoch_order(lengths: Sequence[int], config: TrainConfig) -> EpochOrder:
    """Return the order in which examples of these lengths are learnt from: the same for any number of processes."""
    step, world = config.batch_size if config.group_by_length else 0, world_size()
    return EpochOrder(lengths, config.seed, step, config.micro_batch_size * world if world > 1 else 1)


def training_arguments(
    config: TrainConfig, folder: Path, steps: int, precision: str, dev: bool, world: int
) -> TrainingArguments:
    """Translate our config to TrainingArguments. Accumulation = batch_size / (micro_batch_size x world size)."""
    import torch

    accumulation, rest = divmod(config.batch_size, config.micro_batch_size * world)
    if rest or not accumulation:
        raise LabError(
            f"training.batch_size={config.batch_size} cannot be shared by {world} processes "
            f"of micro_batch_size={config.micro_batch_size}"
        )
    every = config.evaluate_every if dev else config.save_every
    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        max_steps=steps,
        per_device_train_batch_size=config.micro_batch_size,
        gradient_accumulation_steps=accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.schedule,
        warmup_steps=math.ceil(config.warmup * steps),
        optim=config.optimiser,
        weight_decay=config.weight_decay,
        max_grad_norm=config.clip,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=not torch.cuda.is_available(),
        # A dev evaluation and a checkpoint fall on the same step, so that the best one is always on disk.
        eval_strategy="steps" if dev else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=config.keep_checkpoints,
        load_best_model_at_end=dev,
        metric_for_best_model=config.best_metric if dev else None,
        greater_is_better=True,
        logging_steps=config.log_every,
        logging_nan_inf_filter=False,  # the filter would hide the NaN that StopAtNaN looks for
        disable_tqdm=True,
        report_to=list(config.loggers) or "none",
        seed=config.seed,
        data_seed=config.seed,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,  # every weight that is trained has a part in every step
    )
    # One process uses one GPU. With several in sight, the Trainer would copy the model to all of them and take a
    # micro batch for each: batch_size times their number. Start one process a GPU (torchrun) to use more.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


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
    say: Callable[[str], None] = lambda line: None,
    callbacks: Sequence[Any] = (),
    notice: Notice | None = None,
    sharding: str = WHOLE,
) -> dict[str, float]:
    """Fine-tune `model` in place, resuming from the newest complete checkpoint below `folder`, and return figures.

    `model` is ready for training (adapter attached, `use_cache` off). With `dev` the model ends as its best
    checkpoint by `config.best_metric`, else as its last. `say` is told the progress, line by line; `callbacks` are
    the Trainer's, called after ours. With a `sharding` (see sharding.py) `model` ends in shares. The figures: steps,
    examples, tokens, learnt_tokens, seconds, loss and best_step. Does not save the adapter; the caller does. Raises
    LabError on NaN loss or when nothing is trainable, and Stopped, after a checkpoint, when a signal came that `notice`
    was told of.
    """
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise LabError("no parameter of the model is trainable; attach an adapter or set lora.method=full")
    for line in prepare_loggers(config.loggers, folder):
        say(line)
    rows = rows_for(model, examples, eos)
    lengths = [len(example.ids) for example in examples]
    batching = batching_for(model, pad, max(lengths) if config.packing else None)
    say(f"logits at {batching.logits}")
    say(batch_line(config, world_size()))
    steps = step_count(config, len(rows))
    evaluated = dev if config.evaluate_every else None
    arguments = training_arguments(config, folder, steps, precision, evaluated is not None, world_size())
    log = folder / "log.jsonl"
    ours = [RunLog(log, config.batch_size * sum(lengths) / len(rows), say), StopAtNaN(), MarkComplete()]
    ours += ([StopOnSignal(notice)] if notice else []) + ([] if sharding == WHOLE else [KeepBytes(model)])
    trainer = DialogueTrainer(
        model=model,
        args=arguments,
        train_dataset=[*rows, blank_row(eos)],  # the last is for the end of an epoch of several processes
        eval_dataset=rows[:1] if evaluated else None,  # never read: evaluate() decodes whole dialogues instead
        data_collator=batching.collate,
        compute_loss_func=batching.loss,
        callbacks=[*ours, *callbacks],
        order=epoch_order(lengths, config),
        dev=evaluated,
        log=log,
    )
    require_sharded(sharding, trainer)
    trainer.remove_callback(PrinterCallback)  # it prints raw dictionaries; RunLog says the same in a line
    checkpoint = last_checkpoint(folder / "checkpoints", before=steps)
    require_same_kind(sharding, checkpoint)
    with saying_out_of_memory(config):
        result = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if notice and notice.number and trainer.state.global_step < steps:
        raise Stopped(notice.number)
    return {"steps": steps, **sizes(examples), **outcome(result, trainer)}


def sizes(examples: Sequence[Encoded]) -> dict[str, int]:
    """Return how much there is to learn from: examples, tokens, learnt tokens."""
    learnt = sum(sum(example.loss_mask) for example in examples)
    return {"examples": len(examples), "tokens": sum(len(example.ids) for example in examples), "learnt_tokens": learnt}


def outcome(result: Any, trainer: Trainer) -> dict[str, float]:
    """Return the seconds, the mean loss and the best step of a finished training; all processes must call it.

    After the last logging step each process has counted its own share of the loss only; their mean is the loss.
    """
    seconds, loss = result.metrics["train_runtime"], mean_of_processes(result.training_loss, trainer.args.device)
    best = trainer.state.best_global_step or trainer.state.max_steps
    return {"seconds": round(seconds, 1), "loss": round(loss, 4), "best_step": best}


@contextmanager
def saying_out_of_memory(config: TrainConfig) -> Iterator[None]:
    """Turn running out of memory inside the `with`, on a GPU or a CPU, into an OutOfMemory that says what to turn."""
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
