"""Run a sweep: one ordinary run folder per member, several processes at once, no loss if one fails.

The folder of the sweep is its whole state: finished runs are reused, interrupted ones resume from their checkpoints,
and failed ones are tried again. The same command therefore resumes a killed sweep.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.errors import LabError
from lab_lib.files import appending, read_json, read_json_or
from lab_lib.models.hardware import Choice
from lab_lib.processes import slurm
from lab_lib.processes.limits import MACHINE, Limit, core_limit, memory_limit
from lab_lib.results.rows import read_recorded
from lab_lib.runs.config import RunConfig, make_task
from lab_lib.runs.inputs import require_unchanged
from lab_lib.runs.lock import open_owned
from lab_lib.runs.preflight import fit_prompt, preflight
from lab_lib.sweeps.grid import Member, Sweep
from lab_lib.tasks.splits import load_splits

STAGES = ("train", "finetuned", "report")  # of each run: the base model is the same for all
UNTRAINED = ("base", "report")  # of a run with training.steps=0: the adapter in model.adapter, or the model, as it is
MEMORY = 4.0  # GiB of memory per run on a CPU; lab-tiny on MultiWOZ peaks at 3.3
OUTPUT = "output.txt"  # in a run's folder: its terminal output
SECONDS = 0.2  # seconds between two checks of the processes


@dataclass(frozen=True)
class Workers:
    """The number of parallel runs, and the threads of each."""

    jobs: Choice
    threads: Choice


def choose_workers(wanted: int | None, gpu: bool, cores: Limit, memory: Limit, omp: str | None) -> Workers:
    """Return how to share the machine; `memory` in GiB, `omp` what the user set OMP_NUM_THREADS to.

    Runs come before threads: small matrices do not keep two threads busy.
    Raises LabError for less than one run.
    """
    if wanted is not None and wanted < 1:
        raise LabError(f"--jobs {wanted}: expected at least 1")
    if wanted is not None:
        jobs = Choice(str(wanted), "asked for")
    elif gpu:
        jobs = Choice("1", "one run has the GPU to itself")
    else:
        fit = max(1, int(memory.value // MEMORY))
        room = f"{MEMORY:.0f} of {memory.value:.0f} GiB each"
        jobs = Choice(str(min(int(cores.value), fit)), f"one run per core, {room}{_by_container(cores, memory)}")
    if omp:
        return Workers(jobs, Choice(omp, "OMP_NUM_THREADS is set"))
    share = max(1, int(cores.value) // int(jobs.value))
    return Workers(jobs, Choice(str(share), f"{cores.value:.0f} cores shared by {jobs.value} runs"))


def _by_container(cores: Limit, memory: Limit) -> str:
    """Say which of the two is not what the machine has: somebody may look for the rest."""
    named = [name for name, limit in (("cores", cores), ("memory", memory)) if limit.reason != MACHINE]
    return f"; {' and '.join(named)} {memory.reason if 'memory' in named else cores.reason}" if named else ""


def find_workers(wanted: int | None) -> Workers:
    """Choose by the machine. Imports torch to find a GPU, unless the number of runs is given."""
    gpu = False
    if wanted is None:
        from lab_lib.models.hardware import find_machine

        gpu = find_machine().capability is not None
    return choose_workers(wanted, gpu, core_limit(), memory_limit(), os.environ.get("OMP_NUM_THREADS"))


def finished(folder: Path) -> bool:
    """Return whether a run folder has come to the end of its last stage."""
    status = read_status(folder, {})
    return status.get("stage") == "report" and status.get("state") == "completed"


def read_status(folder: Path, default: dict[str, Any]) -> dict[str, Any]:
    """Return the status.json of a run folder; where there is none yet `default`. Raises LabError for a damaged one."""
    status = read_json_or(default, folder / "status.json")
    if not isinstance(status, dict):
        raise LabError(f"{folder / 'status.json'}: expected the status of a run, found {type(status).__name__}")
    return status


def unfinished(sweep: Sweep, path: Path) -> dict[str, str]:
    """Return {name: state} of the unfinished runs below `path`."""
    found = {}
    for member in (m for m in sweep.members if not finished(path / m.name)):
        status = read_status(path / member.name, {"state": "never started"})
        found[member.name] = ": ".join(str(status[key]) for key in ("stage", "state", "reason") if key in status)
    return found


def run_members(sweep: Sweep, path: Path, workers: Workers, console: Console) -> dict[str, str]:
    """Run what is not finished below `path`; return {name: reason} of the runs that failed.

    Raises LabError, before anything is run, for settings that would fail, a corpus or model that is not there, or a
    folder that belongs to another config.
    """
    for member, config in zip(sweep.members, checked(sweep, console), strict=True):
        open_owned(config, path / member.name)
        if finished(path / member.name):  # its row will stand beside those that are made now
            require_unchanged(config, path / member.name, lambda line: console.print(line, highlight=False))
    todo = [member for member in sweep.members if not finished(path / member.name)]
    if done := len(sweep.members) - len(todo):
        console.print(f"{done} of {len(sweep.members)} runs are finished already")
    return _work(todo, path, workers, SweepProgress(len(todo), console))


def checked(sweep: Sweep, console: Console) -> list[RunConfig]:
    """Return the config of every run. Raises LabError for settings that would fail later."""
    configs, seen = [fit_prompt(member.config, console) for member in sweep.members], set()
    for config in configs:
        task = make_task(config)
        preflight(config, task, UNTRAINED if config.training.steps == 0 else STAGES)
        if config.data not in seen:
            load_splits(task)
            seen.add(config.data)
    return configs


def _work(todo: Sequence[Member], path: Path, workers: Workers, progress: SweepProgress) -> dict[str, str]:
    """Keep `workers.jobs` processes busy until nothing is left; end those that run when this is interrupted."""
    waiting, running, failed = list(todo), dict[str, tuple[subprocess.Popen, float]](), dict[str, str]()
    try:
        while waiting or running:
            while waiting and len(running) < int(workers.jobs.value):
                member = waiting.pop(0)
                running[member.name] = (start(path / member.name, member.config, workers), time.monotonic())
                progress.started(member.name)
            for name, (process, begun) in list(running.items()):
                if process.poll() is None:
                    continue
                del running[name]
                reason = None if process.returncode == 0 else why(path / name, process.returncode)
                failed |= {name: reason} if reason else {}
                progress.ended(name, path / name, time.monotonic() - begun, reason)
            time.sleep(SECONDS)
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, _ in running.values():
            process.wait()
    return failed


def start(folder: Path, config: RunConfig, workers: Workers) -> subprocess.Popen:
    """Start `lab run` on a run folder, its output in a file there.

    A process of its own: when it is killed for its memory, only this run is lost.
    """
    command = [sys.executable, "-m", "lab_lib", "run", str(folder / "config.yaml"), "--out", str(folder)]
    command += [] if config.training.steps == 0 else ["--no-base"]
    # The sweep as a whole is the job of a cluster; a run in it must not requeue it.
    environment = {**os.environ, "OMP_NUM_THREADS": workers.threads.value, slurm.REQUEUE: "0"}
    with appending(folder / OUTPUT, "ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            preexec_fn=_end_with_parent(),
        )


def _end_with_parent() -> Callable[[], Any] | None:
    """Return what makes a child end when this process is killed: otherwise two would soon write one run folder."""
    if not sys.platform.startswith("linux"):
        return None
    prctl, set_death_signal = ctypes.CDLL(None).prctl, 1  # PR_SET_PDEATHSIG in linux/prctl.h
    return lambda: prctl(set_death_signal, signal.SIGKILL)  # at once: SIGTERM would wait for a checkpoint


def why(folder: Path, code: int) -> str:
    """Return in one line why a run failed: its last line of output, or the signal that ended it."""
    if code < 0:
        name = signal.Signals(-code).name
        return f"ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    lines = (folder / OUTPUT).read_text(encoding="utf-8", errors="replace").strip().split("\n")
    return lines[-1].removeprefix("error: ").strip() or f"exit code {code}"


class SweepProgress:
    """Prints starting and finished runs, and an estimate of the remaining time."""

    def __init__(self, total: int, console: Console):
        self.total, self.console = total, console
        self.done, self.begun = 0, time.monotonic()

    def started(self, name: str) -> None:
        """A run was started."""
        self.console.print(f"start   {name}", markup=False, highlight=False)

    def ended(self, name: str, folder: Path, seconds: float, reason: str | None) -> None:
        """A run has ended, with `reason` when it failed."""
        self.done += 1
        left = (time.monotonic() - self.begun) / self.done * (self.total - self.done)
        what = f"FAILED  {name}: {reason}" if reason else f"done    {name}  {_main_score(folder)}"
        rest = f"about {_minutes(left)} left" if self.done < self.total else "nothing left"
        line = f"{what}  ({_minutes(seconds)}; {self.done} of {self.total}, {rest})"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _main_score(folder: Path) -> str:
    """Return the main score of a finished run: `Combined 61.2`."""
    found = read_recorded(read_json(folder / "record.json"), folder / "record.json")
    return f"{found.main.heading} {found.headline or '-'}"


def _minutes(seconds: float) -> str:
    """Write a duration.

    >>> _minutes(125)
    '2:05'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
