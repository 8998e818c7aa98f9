"""What Slurm says of a job: its queue, and its accounting when the queue has forgotten it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab_lib.errors import LabError
from lab_lib.processes.slurm import ask

# What Slurm calls an end, and what we call it. The rest of its states are failures: FAILED, NODE_FAIL, BOOT_FAIL.
ENDED = {
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "OUT_OF_MEMORY": "oom",
    "CANCELLED": "interrupted",
    "PREEMPTED": "interrupted",
}
WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED"}
GOING = {"RUNNING", "COMPLETING", "CONFIGURING", "STAGE_OUT", "SIGNALING"}
# What squeue and sacct complain of when they know nothing of a job. Anything else is no answer.
FORGOTTEN = ("Invalid job id specified", "accounting storage is disabled", "sacct: not found")


def ended(job: str, state: str) -> dict[str, Any]:
    """Return what Slurm says of a job whose run wrote `state` last: {} when it has nothing to add.

    Raises LabError when Slurm does not answer: then nothing is known, also not that the job is gone.
    """
    said = slurm_state(job)
    if said in WAITING:
        return {"state": "waiting", "reason": f"in the queue ({said})"}
    if said in GOING:
        return {"state": "running"}
    if state == "interrupted":
        return {}
    how = "killed" if state == "running" else "ended before its first stage"
    if said is None:
        return {"state": "failed", "reason": f"{how}: job {job} is gone and Slurm no longer knows how it ended"}
    return {"state": ENDED.get(said, "failed"), "reason": f"{how}: Slurm says {said} of job {job}"}


def slurm_state(job: str) -> str | None:
    """Return the state of a job in Slurm's words: from the queue or, when it left that, from the accounting.

    Where a step of a job ran out of memory, as the one that srun starts on several machines, the job may say no more
    than FAILED; the accounting knows its steps.
    """
    said = _queue(job)
    if not said or said[0] == "FAILED":
        said += _states(["sacct", "-n", "-P", "-o", "State", "-j", job])
    return "OUT_OF_MEMORY" if "OUT_OF_MEMORY" in said else next(iter(said), None)


def queued(job: str) -> str | None:
    """Return in which state a job (any task of an array) waits or runs; None when it has ended."""
    return next((state for state in _queue(job) if state in WAITING | GOING), None)


def _queue(job: str) -> list[str]:
    return _states(["squeue", "-h", "-t", "all", "-o", "%T", "-j", job])


def _states(command: Sequence[str]) -> list[str]:
    """Return the first word of every line a command prints: `CANCELLED by 1000` is CANCELLED.

    None for a job that Slurm has forgotten: squeue does after some minutes, and not every cluster keeps accounts.
    """
    try:
        return [line.split()[0] for line in ask(command).splitlines() if line.strip()]
    except LabError as error:
        if any(words in str(error) for words in FORGOTTEN):
            return []
        raise
