"""From a TrainConfig to the arguments of the Hugging Face Trainer."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_lib.errors import LabError
from lab_lib.training.config import TrainConfig

if TYPE_CHECKING:
    from transformers import TrainingArguments


def step_count(config: TrainConfig, examples: int) -> int:
    """Return the optimiser steps of a run: `steps`, or epochs x examples / batch_size, rounded up.

    >>> step_count(TrainConfig(epochs=3, batch_size=16), 400)
    75
    """
    if config.steps is not None:
        return config.steps
    return math.ceil(config.epochs * math.ceil(examples / config.batch_size))


def untrained_line(config: TrainConfig, steps: int | None) -> str | None:
    """Return a warning if a run of so many steps trains nothing because its only step is the first of the warm-up.

    >>> untrained_line(TrainConfig(warmup=0.0), 1)
    """
    if steps != 1 or not config.warmup or config.schedule == "constant":
        return None
    line = "the only step has a learning rate of 0, so the model stays untrained; set training.warmup=0"
    return f"training.warmup={config.warmup:g}: {line}"


def training_arguments(
    config: TrainConfig,
    folder: Path,
    steps: int,
    precision: str,
    world: int,
    best_metric: str | None = None,
    greater_is_better: bool = True,
    made: Callable[..., Any] | None = None,
) -> TrainingArguments:
    """Translate our config to TrainingArguments, for `world` processes.

    With a `best_metric`, dev is evaluated every `config.evaluate_every` steps, and that metric chooses the checkpoint.
    `made` is another class of arguments, or a function that returns them.
    """
    import torch
    from transformers import TrainingArguments

    dev = best_metric is not None
    every = config.evaluate_every if dev else config.save_every
    arguments = (made or TrainingArguments)(
        output_dir=str(folder / "checkpoints"),
        max_steps=steps,
        per_device_train_batch_size=config.micro_batch_size,
        gradient_accumulation_steps=accumulation_steps(config, world),
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
        save_total_limit=None,  # checkpoints.rotate removes them, once the new one is complete
        load_best_model_at_end=dev,
        metric_for_best_model=best_metric,
        greater_is_better=greater_is_better,
        logging_steps=config.log_every,
        logging_nan_inf_filter=False,  # this filter would hide the NaN that StopAtNaN looks for
        disable_tqdm=True,
        report_to=list(config.loggers) or "none",
        seed=config.seed,
        data_seed=config.seed,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,  # every trained weight is used in every step
    )
    # One process uses one GPU. If it saw several, the Trainer would copy the model to all of them and take one micro
    # batch for each: the batch size would grow by their number. To use more GPUs, start one process per GPU (torchrun).
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def accumulation_steps(config: TrainConfig, world: int) -> int:
    """Return the number of micro batches per optimiser step and process: batch_size / (micro_batch_size x world).

    Raises LabError where that is not a whole number.
    """
    steps, rest = divmod(config.batch_size, config.micro_batch_size * world)
    if rest or not steps:
        raise LabError(
            f"training.batch_size={config.batch_size} cannot be split among {world} processes "
            f"of micro_batch_size={config.micro_batch_size}"
        )
    return steps


def micro_batch_among(config: TrainConfig, world: int) -> int:
    """Return a micro batch, at most the configured one, with which `world` processes share every optimiser step.

    Raises LabError if the batch cannot be split among them.

    >>> micro_batch_among(TrainConfig(batch_size=8, micro_batch_size=8), 2)
    4
    """
    share, rest = divmod(config.batch_size, world)
    if rest:
        raise LabError(f"training.batch_size={config.batch_size} cannot be split among {world} processes")
    return math.gcd(share, config.micro_batch_size)
