"""The checkpoint of an encoder judge in training: one file that is replaced atomically."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lab_lib.evaluation.judges.encoder import EncoderJudge
from lab_lib.files import writing
from lab_lib.folders import sync

FILE = "checkpoint.safetensors"
RANDOM = "random"  # the state of torch's random numbers, which dropout draws from


@dataclass(frozen=True)
class Progress:
    """The progress of a training: finished steps, and the weights with the lowest log-loss on dev so far."""

    step: int = 0
    best: float = math.inf
    state: Mapping[str, Any] = field(default_factory=dict)

    def with_look(self, found: float, model: Any) -> Progress:
        """Return it after a dev evaluation, with the model's state if that was the best one."""
        return replace(self, best=found, state=_learned(model)) if found < self.best else self

    def at(self, step: int) -> Progress:
        """Return it with so many steps done."""
        return replace(self, step=step)


def save_checkpoint(folder: Path, progress: Progress, judge: EncoderJudge, optimiser: Any) -> None:
    """Write weights, Adam's moments, the best state and the random numbers. Raises LabError when the disk is full."""
    import torch
    from safetensors.torch import save_file

    tensors = {f"best.{name}": value for name, value in progress.state.items()} | {RANDOM: torch.get_rng_state()}
    for name, weight in _weights(judge.model).items():
        moments = optimiser.state[weight]
        tensors[f"weight.{name}"] = weight.detach()
        tensors |= {f"m.{name}": moments["exp_avg"], f"v.{name}": moments["exp_avg_sq"]}
    about = {"step": str(progress.step), "best": str(progress.best), "settings": _settings(judge)}
    path = folder / FILE
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f"{FILE}.{os.getpid()}"
        save_file({name: value.contiguous() for name, value in tensors.items()}, temporary, about)
        sync(folder)
        temporary.replace(path)


def load_checkpoint(folder: Path, judge: EncoderJudge, optimiser: Any, log: Callable[[str], None]) -> Progress:
    """Load a checkpoint with the same settings, if any, into model and optimiser, and return its progress."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import safe_open

    path = folder / FILE
    if not path.exists():
        return Progress()
    try:
        with safe_open(path, "pt") as stored:
            about = stored.metadata()
            found = dict(zip(stored.keys(), map(stored.get_tensor, stored.keys()), strict=True))
    except SafetensorError as error:
        log(f"{path}: skipped, damaged ({error})")
        return Progress()
    if about["settings"] != _settings(judge):
        log(f"{path}: skipped, of a training with other settings: {about['settings']}")
        return Progress()
    step = int(about["step"])
    with torch.no_grad():
        for name, weight in _weights(judge.model).items():
            weight.copy_(found[f"weight.{name}"])
            moments = {"exp_avg": found[f"m.{name}"], "exp_avg_sq": found[f"v.{name}"]}
            optimiser.state[weight] = {"step": torch.tensor(float(step)), **moments}
    torch.set_rng_state(found[RANDOM])
    log(f"resuming from the checkpoint of step {step}")
    best = {name.removeprefix("best."): value for name, value in found.items() if name.startswith("best.")}
    return Progress(step, float(about["best"]), best)


def _settings(judge: EncoderJudge) -> str:
    return json.dumps(asdict(judge.config), sort_keys=True)


def _weights(model: Any) -> dict[str, Any]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _learned(model: Any) -> dict[str, Any]:
    return {name: weight.detach().clone() for name, weight in _weights(model).items()}
