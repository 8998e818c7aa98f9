"""Every setting of fine-tuning, once."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from lab_lib.errors import LabError


@dataclass(frozen=True)
class TrainConfig:
    """How the weights are trained; steps = epochs x examples / batch_size."""

    # sft (supervised fine-tuning): the cross-entropy of the supervised tokens. dpo (Rafailov et al. 2023): pairs of a
    # chosen and a rejected answer; it continues an adapter (model.adapter), whose copy is the frozen reference.
    objective: Literal["sft", "dpo"] = "sft"
    # With dpo: the penalty for moving away from the reference; lower values move further. Use a learning rate of about
    # 1e-5 to 5e-5 for an adapter: the library's 1e-6 is for full models and changes nothing, that of sft is too high.
    beta: float = 0.1
    epochs: float = 3.0  # passes over the training examples; ignored when steps is given
    # Optimiser steps. With 0 nothing is trained, and a run scores the model as it is (for example few-shot prompts).
    steps: int | None = None
    batch_size: int = 16  # examples per optimiser step, over all devices; the gradient depends only on this
    micro_batch_size: int = 8  # examples per forward pass on one device; halve it if memory runs out
    learning_rate: float = 2e-4  # the QLoRA paper's value for 7B; tiny models and small ranks need 10 times more
    schedule: Literal["constant", "constant_with_warmup", "linear", "cosine"] = "cosine"
    warmup: float = 0.03  # share of the steps in which the rate rises from zero
    optimiser: Literal["adamw_torch", "paged_adamw_32bit", "paged_adamw_8bit", "adafactor"] = "adamw_torch"
    weight_decay: float = 0.0
    clip: float = 1.0  # largest norm of the gradient; 0.3 in the QLoRA paper
    gradient_checkpointing: bool = False  # true halves the memory of activations, costs about 15 % of speed
    # Within an optimiser step, examples of similar length share a micro batch. This saves padding, most of all with
    # small micro batches, and does not change the gradient. It saves nothing if micro_batch_size equals batch_size.
    group_by_length: bool = True
    # torch | liger: liger (GPUs only, `pip install -e '.[liger]'`) computes norms, rotary positions and feed-forward
    # gates in one kernel each: the same numbers except for rounding, less memory for activations.
    kernels: Literal["torch", "liger"] = "torch"
    evaluate_every: int = 0  # steps between dev evaluations, each with a checkpoint; 0: none, see save_every
    # Dev items decoded at each evaluation, sampled once with the seed (dialogues, requests, questions).
    evaluate_dialogues: int = 30
    # The dev metric that chooses the checkpoint; if omitted, the task's main metric.
    best_metric: str | None = None
    save_every: int = 100  # steps between checkpoints when evaluate_every is 0
    # Number of newest checkpoints to keep for resuming; the best one on dev is kept too.
    keep_checkpoints: int = 2
    log_every: int = 10
    seed: int = 0  # initial weights of the adapter, data order, dropout
    loggers: tuple[str, ...] = ()  # any of tensorboard, wandb, trackio; none of them asks for a login

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
