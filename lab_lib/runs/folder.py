"""The run folder is the whole state of a run. A run can be killed at any point and resumed from its folder.

config.yaml        the resolved config            adapter/            the fine-tuned adapter (or model) status.json
stage and state, with reason   predictions/*.jsonl one row for each answer log.jsonl          training and dev metrics
report.json, report.html, curve.png, curve.svg checkpoints/       to resume training from        record.json         the
numbers and their provenance prepared/          what the task made beforehand  stages/*.json       command, commit,
machine, versions of each stage inputs.json        hashes of what the run reads   .lock               held by the
command that writes, see lock.py
"""

from __future__ import annotations

import errno
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lab_lib.config import as_dict, to_yaml
from lab_lib.errors import LabError, OutOfMemory, Stopped
from lab_lib.files import open_plain, read_json_or, write_json, write_text
from lab_lib.folders import require_folder
from lab_lib.processes import slurm
from lab_lib.processes.rank import this_process
from lab_lib.processes.seconds import counting, read_figures
from lab_lib.results.record import peak_memory
from lab_lib.runs.config import RunConfig, load_run_config, pinned


@dataclass(frozen=True)
class RunFolder:
    """Names of the files in a run folder."""

    path: Path

    @property
    def adapter(self) -> Path:
        """The result of training: a LoRA adapter, or a whole model if lora.method is full."""
        return self.path / "adapter"

    def predictions(self, system: str) -> Path:
        """Answers of one system (`base`, `finetuned`) to the reported items."""
        return self.path / "predictions" / f"{system}.jsonl"

    @property
    def prepared(self) -> Path:
        """The result of the task's `prepare`."""
        return self.path / "prepared"

    def stage(self, name: str) -> Path:
        """The provenance of a finished stage: command, commit, machine and versions."""
        return self.path / "stages" / f"{name}.json"

    @property
    def log(self) -> Path:
        """Training log, one JSON row for each logging step and dev evaluation."""
        return self.path / "log.jsonl"


def default_folder(config: RunConfig) -> Path:
    """Return runs/<recipe>-<date>-<time>; for a Slurm job runs/<recipe>-<job>, so that a requeued job finds its
    folder."""
    return Path("runs") / f"{config.recipe}-{slurm.job_id() or time.strftime('%Y%m%d-%H%M%S')}"


def open_folder(config: RunConfig, path: Path) -> RunFolder:
    """Create the folder with its config, or reuse a folder with the same config.

    Of several processes the first one writes it, and it holds the lock (`lock.owning`). Raises LabError naming the
    first differing key when the folder belongs to another run.
    """
    require_same(config, path)
    if this_process().first and not (path / "config.yaml").exists():
        write_text(path / "config.yaml", to_yaml(config))
    return RunFolder(path)


def require_same(config: RunConfig, path: Path) -> None:
    """Raise LabError naming the first differing key when a folder has the config of another run."""
    if not (path / "config.yaml").exists():
        return
    # Through the dataclass: a folder from before a setting existed ran with its default.
    old, new = _flat(as_dict(load_run_config(path))), _flat(as_dict(pinned(config, path)))
    differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if differing:
        key = differing[0]
        raise LabError(
            f"{path}: this run was started with {key}={old.get(key)}, not {new.get(key)}; choose another --out"
        )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


@contextmanager
def stage(folder: RunFolder, name: str) -> Iterator[None]:
    """Record in status.json that a stage runs, and how it ended: completed, or the result of `ending` with the reason.

    A full disk or a read-only folder becomes a LabError, whichever library raises it. With several processes (torchrun)
    the first one records; each process also records its own failure unless another one did before, which was the cause.
    The caller owns the folder (`lock.owning`).
    """
    first = this_process().first
    path = folder.path / "status.json"
    status: dict[str, Any] = {"stage": name, "state": "running", "host": platform.node(), "pid": os.getpid(), **call()}
    known = read_figures(folder.path / "memory.json")
    if first:
        write_json(path, status)
    try:
        with counting(folder.path / "seconds.json", name) if first else nullcontext():
            yield
        require_folder(folder.path)
    except BaseException as error:
        if isinstance(error, Exception):
            require_folder(folder.path)
        with suppress(LabError):  # if the disk is full, report the first reason
            if _is_cause(error, path):
                _write_ending(path, status, ending(error), str(error) or repr(error))
        if isinstance(error, Stopped):
            error.for_good = partial(_write_ending, path, status, "timeout")
        if (reason := _cannot_write(error)) is not None:
            raise LabError(f"{folder.path}: cannot write: {reason}") from error
        raise
    if first:
        write_json(path, {**status, "state": "completed"})
        _keep_peak(folder.path / "memory.json", known, name)


def _is_cause(error: BaseException, path: Path) -> bool:
    """Return whether this process's error is the cause of the stage's end.

    For a single process it is. For several processes the first recorded failure is the cause; a signal reaches all of
    them, so only the first process reports it.
    """
    processes = this_process()
    if processes.count == 1:
        return True
    if not processes.first and isinstance(error, (Stopped, KeyboardInterrupt)):
        return False
    known = read_json_or({}, path)
    return not isinstance(known, dict) or known.get("state", "running") == "running"


def _write_ending(path: Path, status: dict[str, Any], state: str, reason: str) -> None:
    """Write how a stage ended; on a full disk overwrite status.json in place, because `running` would be wrong."""
    said = {**status, "state": state, "reason": reason}
    if not path.parent.is_dir():
        return
    try:
        write_json(path, said)
    except LabError:
        with suppress(OSError), os.fdopen(open_plain(path, os.O_WRONLY), "wb", buffering=0) as stream:
            stream.truncate(stream.write(json.dumps(said).encode()))


def ending(error: BaseException) -> str:
    """Return the final state of a run: `oom`, `timeout`, `interrupted` (the same command resumes) or `failed`."""
    if isinstance(error, Stopped):
        return "timeout" if slurm.out_of_time(error) else "interrupted"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    memory = isinstance(error, (OutOfMemory, MemoryError)) or "can't allocate memory" in str(error)
    return "oom" if memory else "failed"


def call() -> dict[str, Any]:
    """Return the command of this process and, for a Slurm job, its number and LAB_*, for `lab jobs`."""
    job = slurm.job_id()
    return {"command": sys.argv[1:], "folder": os.getcwd()} | ({"job": job, "set": slurm.settings()} if job else {})


def _cannot_write(error: BaseException) -> str | None:
    """Return why a file could not be written, if `error` is about that."""
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)
    return error.strerror if isinstance(error, OSError) and error.errno in codes else None


def _keep_peak(path: Path, known: dict[str, float], name: str) -> None:
    """Record the largest memory in GB of a process at the end of a stage; this includes its earlier stages."""
    write_json(path, {**known, name: max(known.get(name, 0.0), round(peak_memory() / 1e9, 2))})
