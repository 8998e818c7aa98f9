"""The folder of a pretraining: its settings, its newest checkpoint, its log.

A pretraining can be killed at any point and resumed from its folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import read_json, read_json_or, write_json, write_jsonl, writing


def open_folder(folder: Path, config: Mapping[str, Any]) -> None:
    """Create a folder with its config, or resume one that has the same config. Raises LabError naming what differs."""
    path = folder / "config.json"
    old = read_json_or({}, path)
    for name, value in config.items():
        if name != "out" and old.get(name, value) != value:
            raise LabError(f"{folder}: was started with {name}={old[name]}, not {value}; choose another folder")
    write_json(path, dict(config))


def cut_log(path: Path, done: int) -> None:
    """Drop the rows of steps after the checkpoint that training resumes from: these steps are repeated."""
    from lab_lib.training.callbacks import whole_rows

    if path.exists():
        write_jsonl(path, [row for row in whole_rows(path) if row["step"] <= done])


def save_checkpoint(folder: Path, model: Any, optimiser: Any, step: int) -> None:
    """Write weights and Adam moments as safetensors, then the step: its file names the newest complete pair.

    Raises LabError when the disk is full; the checkpoint before is then still there.
    """
    from safetensors.torch import save_file

    tensors = {f"weight.{name}": value for name, value in model.named_parameters()}
    for name, value in model.named_parameters():
        moments = optimiser.state[value]
        tensors |= {f"m.{name}": moments["exp_avg"], f"v.{name}": moments["exp_avg_sq"]}
    path = folder / f"step-{step}.safetensors"
    with writing(path):
        save_file({name: value.detach().contiguous() for name, value in tensors.items()}, path)
    write_json(folder / "latest.json", {"step": step, "file": path.name})
    for old in folder.glob("step-*.safetensors"):
        if old != path:
            old.unlink()


def load_checkpoint(folder: Path, model: Any, optimiser: Any) -> int:
    """Restore the newest checkpoint, if there is one, and return the number of steps done."""
    import torch
    from safetensors.torch import load_file

    if not (folder / "latest.json").exists():
        return 0
    latest = read_json(folder / "latest.json")
    tensors = load_file(folder / latest["file"])
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(tensors[f"weight.{name}"])
            optimiser.state[value] = {
                "step": torch.tensor(float(latest["step"])),
                "exp_avg": tensors[f"m.{name}"],
                "exp_avg_sq": tensors[f"v.{name}"],
            }
    return latest["step"]
