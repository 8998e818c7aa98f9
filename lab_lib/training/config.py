"""Every setting of fine-tuning, once."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from lab_lib.errors import LabError


@dataclass(frozen=True)
class TrainConfig:
    """How the weights are trained. The arithmetic: steps = epochs x examples / batch_size."""

    # sft (supervised fine-tuning): the cross-entropy of the supervised tokens. dpo (Rafailov et al. 2023): pairs of a
    # chosen and a rejected answer; it continues an adapter (model.adapter), whose copy is the frozen reference.
    objective: Literal["sft", "dpo"] = "sft"
    # With dpo: how dear it is to move away from the reference; lower moves further. The learning rate of an adapter is
    # about 1e-5 to 5e-5 then: the library's 1e-6 is for whole models and changes nothing, that of sft is too much.
    beta: float = 0.1
    epochs: float = 3.0  # passes over the training examples; ignored when steps is given
    # Optimiser steps. 0: nothing is trained, and a run scores the model as it is (prompts with examples, say).
    steps: int | None = None
    batch_size: int = 16  # examples an optimiser step, over all devices; the gradient depends on this alone
    micro_batch_size: int = 8  # examples a forward pass on one device; halve it when memory runs out
    learning_rate: float = 2e-4  # the QLoRA paper's value for 7B; tiny models and small ranks want 10 times more
    schedule: Literal["constant", "constant_with_warmup", "linear", "cosine"] = "cosine"
    warmup: float = 0.03  # share of the steps in which the rate rises from zero
    optimiser: Literal["adamw_torch", "paged_adamw_32bit", "paged_adamw_8bit", "adafactor"] = "adamw_torch"
    weight_decay: float = 0.0
    clip: float = 1.0  # longest gradient; 0.3 in the QLoRA paper
    gradient_checkpointing: bool = False  # true halves the memory of activations, costs about 15 % of speed
    # Inside an optimiser step examples of similar length share a micro batch: less padding, the more so the smaller the
    # micro batch; the gradient does not change. Nothing is gained where micro_batch_size is batch_size.
    group_by_length: bool = True
    # torch | liger: liger (GPUs only, `pip install -e '.[liger]'`) computes norms, rotary positions and feed-forward
    # gates in one kernel each: the same numbers to rounding, less memory for activations.
    kernels: Literal["torch", "liger"] = "torch"
    evaluate_every: int = 0  # steps between dev evaluations, each with a checkpoint; 0: none, see save_every
    # Dev items decoded at each evaluation, sampled once with the seed (dialogues, requests, questions).
    evaluate_dialogues: int = 30
    # The metric of the task that chooses the checkpoint, on dev; left out: the task's main metric.
    best_metric: str | None = None
    save_every: int = 100  # steps between checkpoints when evaluate_every is 0
    # The newest ones are kept, to resume from, and the best one on dev besides.
    keep_checkpoints: int = 2
    log_every: int = 10
    seed: int = 0  # initial weights of the adapter, data order, dropout
    loggers: tuple[str, ...] = ()  # of tensorboard, wandb, trackio; none of them ever asks for a login

    def __post_init__(self) -> None:
        """Refuse values that make no sense."""
        for name in ("batch_size", "micro_batch_size", "log_every", "save_every", "keep_checkpoints"):
            if getattr(self, name) < 1:
                raise LabError(f"training.{name} must be at least 1")
        if self.batch_size % self.micro_batch_size:
            raise LabError(
                f"training.batch_size={self.batch_size} is not a multiple of "
                f"training.micro_batch_size={self.micro_batch_size}"
            )
        if self.evaluate_every < 0:
            raise LabError("training.evaluate_every must be 0 (never) or more")
        if self.evaluate_every and self.evaluate_dialogues < 1:
            raise LabError("training.evaluate_dialogues must be at least 1; for no evaluation set evaluate_every=0")
        if not (0 < self.learning_rate < inf and 0 < self.epochs < inf and 0 < self.beta < inf):
            raise LabError("training.learning_rate, epochs and beta must be above 0, and finite")
        if self.steps is not None and self.steps < 0:
            raise LabError("training.steps must be 0 (nothing is trained) or more")
        if not (0 <= self.weight_decay < inf and 0 <= self.clip < inf):
            raise LabError("training.weight_decay and clip must be 0 or more, and finite")
        if not 0 <= self.seed < 1 << 32:
            raise LabError("training.seed must be at least 0 and below 2 ** 32")
        if not 0 <= self.warmup <= 1:
            raise LabError("training.warmup is a share of the steps, between 0 and 1")
        unknown = set(self.loggers) - {"tensorboard", "wandb", "trackio"}
        if unknown:
            raise LabError(f"training.loggers: '{min(unknown)}' is not one of tensorboard, trackio, wandb")
