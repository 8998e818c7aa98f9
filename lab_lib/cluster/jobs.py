"""Run folders as jobs of a cluster: their states, and resubmitting those that did not finish."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.cluster.sbatch import submit
from lab_lib.cluster.slurm_state import ended, queued
from lab_lib.errors import LabError, one_line
from lab_lib.files import read_json, write_json
from lab_lib.processes.slurm import OPTIONS
from lab_lib.results.rows import read_recorded

LAUNCHERS = {  # of a command of `lab`
    "demo": "demo.sh",
    "run": "run.sh",
    "train": "train_qlora.sh",
    "decode": "decode.sh",
    "evaluate": "evaluate.sh",
    "sweep": "sweep.sh",
    "generate": "generate_free.sh",
}
NAMING = ("demo", "run", "train")  # name their folder themselves unless --out does
ENDINGS = ("oom", "timeout", "failed", "interrupted")
SUBMITTED = "submitted"  # resubmitted, and no stage has begun


@dataclass(frozen=True)
class Job:
    """A run folder with its status, and its state: `completed`, `running`, `waiting`, `unknown` or one of ENDINGS."""

    folder: Path
    status: Mapping[str, Any]

    @property
    def state(self) -> str:
        return str(self.status["state"])


def find_jobs(places: Sequence[Path]) -> list[Job]:
    """Return the run folders at and below some paths, each with an updated status.

    Raises LabError for a missing path. A killed run could not write how it ended, so the state of its Slurm job, or the
    note that its process is gone, is written into its status.json. A status.json that does not belong to a run is
    skipped, with a line on stderr.
    """
    for place in places:
        if not place.is_dir():
            raise LabError(f"{place}: no such folder")
    paths = sorted({path for place in places for path in place.rglob("status.json")})
    found = ((path, read_status(path)) for path in paths)
    return [Job(path.parent, settle(path, status)) for path, status in found if status is not None]


def read_status(path: Path) -> dict[str, Any] | None:
    """Return the status.json of a run; None, with a line on stderr, for a foreign or damaged file."""
    try:
        status = read_json(path)
    except LabError as error:
        print(f"{error}; skipped", file=sys.stderr)
        return None
    if isinstance(status, dict) and {"stage", "state"} <= status.keys() and isinstance(status.get("command"), list):
        return status
    print(f"{one_line(str(path))}: not the status of a run; skipped", file=sys.stderr)
    return None


def settle(path: Path, status: dict[str, Any]) -> dict[str, Any]:
    """Return an updated status for a run that was killed or that waits in a queue.

    The final state is written if possible. `waiting`, `running` and `unknown` are shown but not written: the first two
    come from Slurm, the last one means that Slurm did not answer.
    """
    try:
        revised = {**status, **revision(status)}
    except LabError as error:
        return {**status, "state": "unknown", "reason": str(error)}
    if revised["state"] in ENDINGS and revised != status:
        with suppress(LabError):  # somebody else's folder, or a full disk
            write_json(path, revised)
    return revised


def revision(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes since a run wrote its status; {} if it is up to date. Raises LabError if Slurm does not
    answer."""
    state, job = str(status["state"]), status.get("job")
    if job is not None:
        return ended(str(job), state) if state in ("running", "interrupted", SUBMITTED) else {}
    if state != "running" or status.get("host") != platform.node() or "pid" not in status:
        return {}
    if Path(f"/proc/{status['pid']}").exists():
        return {}
    return {"state": "failed", "reason": "killed: its process has ended without writing a reason"}


def origin(job: Job) -> list[str]:
    """Return the words of the command that created a run folder. Raises LabError if its status does not contain it."""
    words = [str(word) for word in job.status.get("command", [])]
    if not words or words[0] not in LAUNCHERS or "folder" not in job.status:
        raise LabError(f"{job.folder / 'status.json'}: does not name its launcher; start the launcher again")
    return words


def require_ended(job: Job) -> None:
    """Raise LabError if the job of a run folder still waits or runs, or if Slurm does not answer."""
    number = job.status.get("job")
    state = None if number is None else queued(str(number))
    if state is not None:
        raise LabError(
            f"{job.folder}: its job {number} is still in the queue ({state}); scancel it, or wait for its end"
        )


def resubmit(job: Job, options: Sequence[str]) -> str:
    """Resubmit the job that created a run folder and return the new job number. The job resumes from its checkpoint.

    It has the same options and LAB_* as before, except for `options` and for variables that are set now.
    """
    words, folder = origin(job), Path(job.status["folder"])
    noted = job.status.get("set")
    given = {str(name): str(value) for name, value in noted.items()} if isinstance(noted, dict) else {}
    if words[0] in NAMING and not any(word.split("=")[0] == "--out" for word in words):
        words += ["--out", os.path.relpath(job.folder.resolve(), folder)]
    asked = [*shlex.split(given.pop(OPTIONS, "")), *options]
    number = submit(LAUNCHERS[words[0]], words[1:], asked, folder, given)
    handed = {"state": SUBMITTED, "job": number, "reason": f"resubmitted as job {number}"}
    write_json(job.folder / "status.json", {**job.status, **handed})
    return number


def main_score(job: Job) -> str:
    """Return the main score of a run's adapter, or `-` where its record does not have one."""
    path = job.folder / "record.json"
    try:
        return read_recorded(read_json(path), path).headline or "-"
    except LabError:
        return "-"
