"""The folder of a pretraining: its settings, its newest checkpoint, its log.

A pretraining can be killed at any point and resumed from its folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import read_json, read_json_or, sha256, write_json, writing
from lab_lib.folders import apply_umask, require_folder, sync
from lab_lib.training.log import cut_rows

LATEST = "latest.json"  # names the newest checkpoint, with size and checksum


def open_folder(folder: Path, config: Mapping[str, Any]) -> None:
    """Create a folder with its config, or resume one that has the same config. Raises LabError naming what differs."""
    path = folder / "config.json"
    old = read_json_or({}, path)
    if not isinstance(old, dict):
        raise LabError(f"{path}: expected the settings of a pretraining, found {type(old).__name__}")
    for name, value in config.items():
        if name != "out" and old.get(name, value) != value:
            raise LabError(f"{folder}: was started with {name}={old[name]}, not {value}; choose another folder")
    write_json(path, dict(config))


def cut_log(path: Path, done: int) -> str | None:
    """Drop the rows of steps that are repeated, see `cut_rows`; returns a line on damaged ones, if there are any."""
    return cut_rows(path, done) if path.exists() else None


def save_checkpoint(folder: Path, model: Any, optimiser: Any, step: int) -> None:
    """Write weights and the optimiser's state as safetensors, then the step: its file names the newest complete pair.

    Raises LabError when the disk is full; the checkpoint before is then still there.
    """
    from safetensors.torch import save_file

    tensors = {f"weight.{name}": value for name, value in model.named_parameters()}
    for name, value in model.named_parameters():
        tensors |= {f"{key}.{name}": state for key, state in optimiser.state[value].items()}
    require_folder(folder)
    path = checkpoint_file(folder, step)
    temporary = path.with_name(f".{path.name}.{os.getpid():08x}.tmp")
    with writing(path):
        save_file({name: value.detach().contiguous() for name, value in tensors.items()}, temporary)
        temporary.replace(path)
        apply_umask(folder)
        sync(folder)
    write_json(folder / LATEST, {"step": step, "bytes": path.stat().st_size, "sha256": sha256(path)})
    for old in folder.glob("step-*.safetensors"):
        if old != path:
            old.unlink()


def checkpoint_file(folder: Path, step: int) -> Path:
    """Return where the checkpoint of a step is."""
    return folder / f"step-{step}.safetensors"


def damage(folder: Path) -> str | None:
    """Say what is wrong with the newest checkpoint, naming the file; None where it is whole."""
    try:
        latest = read_json(folder / LATEST)
    except LabError as error:
        return str(error)
    if not isinstance(latest, dict) or type(latest.get("step")) is not int:
        return f"{folder / LATEST}: does not name a checkpoint"
    path = checkpoint_file(folder, latest["step"])
    if not path.is_file() or path.is_symlink():
        return f"{path}: no such file"
    if (path.stat().st_size, sha256(path)) != (latest.get("bytes"), latest.get("sha256")):
        return f"{path}: not what was written"
    return None


def load_checkpoint(folder: Path, model: Any, optimiser: Any) -> tuple[int, str | None]:
    """Restore the newest checkpoint, if there is one; return (the number of steps done, what is wrong with it).

    One that is damaged is skipped: 0 steps are done then.
    """
    import torch
    from safetensors.torch import load_file

    if not (folder / LATEST).exists():
        return 0, None
    if wrong := damage(folder):
        return 0, wrong
    step = read_json(folder / LATEST)["step"]
    tensors = load_file(checkpoint_file(folder, step))
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(tensors[f"weight.{name}"])
            parts = {key.removesuffix(f".{name}"): key for key in tensors if key.endswith(f".{name}")}
            parts = {part: key for part, key in parts.items() if "." not in part and part != "weight"}
            optimiser.state[value] = {part: tensors[key] for part, key in parts.items()}
    return step, None
