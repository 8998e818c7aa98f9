"""Training on preferences: TRL's DPOTrainer on an adapter, with our token ids, order, dev evaluation and checkpoints.

The reference is the adapter that training starts from: TRL adds a second, frozen adapter called `ref`, and
`reference.py` gives it exactly the weights of the start. Prompts and answers are given as separate token ids, so the
loss counts exactly the answers' tokens, without a text search.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, Stopped
from lab_lib.processes.rank import world_size
from lab_lib.training.arguments import step_count, training_arguments
from lab_lib.training.batches import batch_line, epoch_order
from lab_lib.training.config import TrainConfig
from lab_lib.training.log import LOG
from lab_lib.training.loggers import prepare_loggers
from lab_lib.training.reference import REFERENCE, adapter_weights, make_reference, require_reference
from lab_lib.training.sharding import WHOLE
from lab_lib.training.stopping import Notice


@dataclass(frozen=True)
class Preference:
    """Token ids of a prompt, of the chosen answer and of the rejected answer; answers end with EOS."""

    key: str
    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]

    def __len__(self) -> int:
        """Return the tokens of both texts."""
        return 2 * len(self.prompt) + len(self.chosen) + len(self.rejected)


def train_preferences(
    model: Any,
    tokenizer: Any,
    pairs: Sequence[Preference],
    config: TrainConfig,
    folder: Path,
    *,
    precision: str,
    dev: Callable[[Any, int], Mapping[str, float]] | None = None,
    best_metric: str | None = None,
    greater_is_better: bool = True,
    log: Callable[[str], None] = lambda line: None,
    notice: Notice | None = None,
) -> dict[str, float]:
    """Train the adapter of a PEFT model in place, as `trainer.train` does on examples, and return the same figures.

    Raises LabError without an adapter, without pairs, and for a pair whose answers are equal; and Stopped as `train`.
    """
    from transformers import PrinterCallback

    from lab_lib.training.trainer import our_callbacks, outcome, run_trainer

    check_pairs(pairs)
    for line in prepare_loggers(config.loggers, folder):
        log(line)
    log(batch_line(config, world_size()))
    steps, lengths = step_count(config, len(pairs)), [len(pair) for pair in pairs]
    dev = dev if config.evaluate_every else None
    trainer = make_trainer(model, tokenizer, pairs, config, folder, steps, precision, dev,
                           best_metric if dev else None, greater_is_better)  # fmt: skip
    tokens = config.batch_size * sum(lengths) / len(pairs)
    for callback in our_callbacks(model, folder, config, tokens, log, notice, WHOLE):
        trainer.add_callback(callback)
    trainer.remove_callback(PrinterCallback)
    result = run_trainer(trainer, config, folder, steps, WHOLE, log)
    if notice and notice.number and trainer.state.global_step < steps:
        raise Stopped(notice.number)
    model.delete_adapter(REFERENCE)  # what is saved is the trained adapter alone
    counts = {"examples": len(pairs), "tokens": sum(lengths), "supervised_tokens": sum(map(_answers, pairs))}
    return {"steps": steps, **counts, **outcome(result, trainer)}


def check_pairs(pairs: Sequence[Preference]) -> None:
    """Raise LabError if there are no pairs, or if the two answers of a pair are equal."""
    if not pairs:
        raise LabError("training.objective=dpo: there are no preference pairs to learn from")
    for pair in pairs:
        if pair.chosen == pair.rejected or not pair.prompt or not pair.chosen or not pair.rejected:
            raise LabError(f"preference pair {pair.key}: expected a prompt and two different answers")


def make_trainer(
    model: Any,
    tokenizer: Any,
    pairs: Sequence[Preference],
    config: TrainConfig,
    folder: Path,
    steps: int,
    precision: str,
    dev: Callable[[Any, int], Mapping[str, float]] | None = None,
    best_metric: str | None = None,
    greater_is_better: bool = True,
) -> Any:
    """Return TRL's trainer with our additions; this gives the model its frozen reference.

    Raises LabError if the reference is not, weight for weight, the adapter that training starts from.
    """
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    from lab_lib.training.trainer import OurWays

    class PreferenceTrainer(OurWays, DPOTrainer):
        """TRL's preference trainer with our order, evaluation and checkpoints."""

        def _prepare_dataset(self, dataset: Any, *settings: Any, **more: Any) -> Any:
            return dataset  # our examples already are token ids

    rows = [
        {"prompt_ids": list(p.prompt), "chosen_ids": list(p.chosen), "rejected_ids": list(p.rejected)} for p in pairs
    ]

    def arguments(**settings: Any) -> Any:
        more = {"beta": config.beta, "max_length": None, "gradient_checkpointing": config.gradient_checkpointing}
        return DPOConfig(**settings, **more)

    start = {name: weight.data for name, weight in adapter_weights(model).items()}
    trainer = PreferenceTrainer(
        model=model,
        args=training_arguments(
            config, folder, steps, precision, world_size(), best_metric, greater_is_better, arguments
        ),
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(rows[:1]) if dev else None,  # never read: evaluate() decodes dev items instead
        processing_class=tokenizer,
        order=epoch_order([len(pair) for pair in pairs], config),
        dev=dev,
        log_path=folder / LOG,
    )
    make_reference(model, start)
    require_reference(model)
    return trainer


def _answers(pair: Preference) -> int:
    return len(pair.chosen) + len(pair.rejected)
