"""The checkpoints of a run: mark complete ones, find the one to resume from, remove old ones.

checkpoints/checkpoint-STEP/complete names the run and lists the files of a checkpoint with sizes and checksums. A
checkpoint without the mark was being written when the process died. A checkpoint whose files differ from the list is
damaged: it would lead to a different adapter or to an error in a library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import read_json, sha256, write_json, writing
from lab_lib.folders import apply_umask, difference, list_files, remove, sync

COMPLETE = "complete"
NAME = re.compile(r"checkpoint-([1-9][0-9]{0,17})")


def path_of(folder: Path, step: int) -> Path:
    """Return the path of a step's checkpoint below the folder of all checkpoints."""
    return folder / f"checkpoint-{step}"


def steps_in(folder: Path) -> list[int]:
    """Return the steps of the checkpoints below a folder, complete or not, in order; links and other names are
    ignored."""
    found = ((NAME.fullmatch(path.name), path) for path in folder.glob("checkpoint-*"))
    return sorted(int(name[1]) for name, path in found if name and path.is_dir() and not path.is_symlink())


def mark_complete(folder: Path, step: int) -> None:
    """Mark the checkpoint of a step as complete; all its files are on disk.

    Raises LabError when the checkpoint is not there, or the disk is full.
    """
    path = path_of(folder, step)
    if not path.is_dir():
        raise LabError(f"{path}: the checkpoint that was just written is gone; was the run folder removed or renamed?")
    with writing(path):
        apply_umask(path)
        sync(path)
    listed = {name: known for name, known in list_files(path).items() if name != COMPLETE}
    write_json(path / COMPLETE, {"step": step, "run": run_of(folder), "files": listed})
    with writing(path):
        sync(path)


def damage(folder: Path, step: int) -> str | None:
    """Return what is wrong with a marked checkpoint, naming the file; None if it is complete."""
    path = path_of(folder, step)
    try:
        mark = read_json(path / COMPLETE)
        if not _is_mark(mark):
            return f"{COMPLETE} does not list the files of the checkpoint"
        if mark["step"] != step:
            return f"{COMPLETE} names step {mark['step']}"
        if mark.get("run") != run_of(folder):
            return f"{COMPLETE} belongs to a run with another config.yaml"
        return difference(path, mark["files"], besides=COMPLETE)
    except LabError as error:
        return str(error).removeprefix(f"{path}/")


def run_of(folder: Path) -> str | None:
    """Return what identifies a run: the SHA-256 of config.yaml beside the folder of all checkpoints, if it exists."""
    config = folder.parent / "config.yaml"
    return sha256(config) if config.exists() else None


def _is_mark(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and type(value.get("step")) is int
        and isinstance(value.get("files"), Mapping)
        and all(
            isinstance(known, Mapping) and type(known.get("bytes")) is int and isinstance(known.get("sha256"), str)
            for known in value["files"].values()
        )
    )


def last_checkpoint(folder: Path, before: int, log: Callable[[str], None] = lambda line: None) -> Path | None:
    """Return the newest complete checkpoint below `folder`, or None; `log` is called for each damaged one.

    A checkpoint of the last step (`before`) does not count, because the Trainer takes one more step before it notices
    the end. A checkpoint whose best checkpoint so far is damaged does not count either: training may end with that one.
    """
    for step in reversed([step for step in steps_in(folder) if step < before]):
        if not (path_of(folder, step) / COMPLETE).exists():
            continue
        wrong = damage(folder, step)
        if wrong is None and (best := best_step(folder, step)) not in (None, step):
            wrong = damage(folder, best)
            wrong = wrong and f"its best checkpoint, of step {best}, is damaged: {wrong}"
        if wrong is None:
            return path_of(folder, step)
        log(f"{path_of(folder, step)}: skipped: {wrong}")
    return None


def best_step(folder: Path, step: int) -> int | None:
    """Return the step of the best checkpoint so far, as stored in a complete one; None without dev evaluations."""
    state = read_json(path_of(folder, step) / "trainer_state.json")
    found = state.get("best_global_step") if isinstance(state, dict) else None
    return found if type(found) is int and found > 0 else None


def rotate(folder: Path, keep: int, now: int, last: int, best: Iterable[int | None] = ()) -> None:
    """Remove all checkpoints up to step `now` except the newest `keep` complete ones and the `best` ones.

    The checkpoint of the `last` step is kept in addition. Training cannot resume from it, so a run that is killed
    before it saves its adapter needs an earlier one. Checkpoints are ordered by step, not by time of modification: a
    clock may jump, and a copied folder has other times.
    """
    steps = [step for step in steps_in(folder) if step <= now]
    complete = [step for step in steps if step < last and (path_of(folder, step) / COMPLETE).exists()]
    kept = {*complete[-keep:], last, *best}
    for step in steps:
        if step not in kept:
            remove(path_of(folder, step) / COMPLETE)  # first: a half-removed folder must not count as a checkpoint
            remove(path_of(folder, step))
