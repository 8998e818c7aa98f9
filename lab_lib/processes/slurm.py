"""This process as a Slurm job: its number, its time limit, and requeueing itself.

The launchers in scripts/ ask Slurm for SIGUSR1 some minutes before the time limit. A run then leaves a checkpoint and
requeues its own job; Slurm starts the same script again, which resumes from the run folder, named after the job. Slurm
itself requeues jobs that it preempts with SIGTERM.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab_lib.errors import LabError, Stopped
from lab_lib.processes.rank import this_process
from lab_lib.processes.settings import whole

REQUEUE = "LAB_REQUEUE"  # 1 if the launchers run as a batch job: this process may requeue the job
MAX_RESTARTS = "LAB_MAX_RESTARTS"  # scripts/site.env: a limit for jobs that make no progress
RESTARTS = 100  # its default
OPTIONS = "LAB_SBATCH"  # the sbatch options of `lab jobs submit`, for a later resubmission
OWN = (REQUEUE, "LAB_WORLD_SIZE")  # the launchers set them anew
WARNING = getattr(signal, "SIGUSR1", None)  # Windows has no such signal


def settings() -> dict[str, str]:
    """Return the variables LAB_* that a user or a site has set for this process."""
    return {name: value for name, value in os.environ.items() if name.startswith("LAB_") and name not in OWN}


def job_id() -> str | None:
    """Return the number of this job, `12`, or `12_3` for the third task of an array; None outside Slurm."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    # A task has a job number too, but the last one's is that of the whole array: requeueing it would requeue all.
    return f"{array}_{task}" if array else os.environ.get("SLURM_JOB_ID")


def may_requeue(stop: Stopped) -> bool:
    """Return whether a job is requeued: at the warning before the time limit, and not too often."""
    restarts, most = whole("SLURM_RESTART_COUNT", 0), whole(MAX_RESTARTS, RESTARTS)
    return stop.number == WARNING and os.environ.get(REQUEUE) == "1" and restarts < most


def out_of_time(stop: Stopped) -> bool:
    """Return whether a job ends for good because of its time limit."""
    end = os.environ.get("SLURM_JOB_END_TIME", "")
    warned = stop.number == WARNING and job_id() is not None and not may_requeue(stop)
    return warned or (re.fullmatch(r"[0-9]{1,15}", end) is not None and time.time() >= int(end))


def requeue(stop: Stopped) -> None:
    """Requeue this job if it may be requeued; Slurm then ends this process. Raises LabError if Slurm refuses.

    With several processes the first one requests it.
    """
    job = job_id()
    if job is not None and this_process().first and may_requeue(stop):
        ask(["scontrol", "requeue", job])


def ask(command: Sequence[str], folder: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Run a Slurm command in `folder` and return its output. Raises LabError with its error message, in one line."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    except FileNotFoundError:
        raise LabError(f"{command[0]}: not found; is this a machine of a Slurm cluster?") from None
    if done.returncode:
        lines = [
            line.removeprefix(f"{command[0]}: ").removeprefix("error: ") for line in done.stderr.strip().split("\n")
        ]
        raise LabError(f"{command[0]}: {': '.join(filter(None, lines)) or f'exit code {done.returncode}'}")
    return done.stdout
