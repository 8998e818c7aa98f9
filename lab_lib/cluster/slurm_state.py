"""The state of a Slurm job: from the queue, or from the accounting once the queue has forgotten it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab_lib.errors import LabError
from lab_lib.processes.slurm import ask

# Slurm's final states and ours. Its other states are failures: FAILED, NODE_FAIL, BOOT_FAIL.
ENDED = {
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "OUT_OF_MEMORY": "oom",
    "CANCELLED": "interrupted",
    "PREEMPTED": "interrupted",
}
WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED"}
GOING = {"RUNNING", "COMPLETING", "CONFIGURING", "STAGE_OUT", "SIGNALING"}
# Errors of squeue and sacct for an unknown job. Any other error means that Slurm did not answer.
FORGOTTEN = ("Invalid job id specified", "accounting storage is disabled", "sacct: not found")


def ended(job: str, state: str) -> dict[str, Any]:
    """Return Slurm's state of a job whose run last wrote `state`; {} if there is nothing to add.

    Raises LabError if Slurm does not answer, because the job may then still exist.
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
        return {"state": "failed", "reason": f"{how}: job {job} has ended, and Slurm no longer knows how"}
    return {"state": ENDED.get(said, "failed"), "reason": f"{how}: Slurm reports {said} for job {job}"}


def slurm_state(job: str) -> str | None:
    """Return the state of a job in Slurm's words: from the queue or, once it has left that, from the accounting.

    If a step of a job ran out of memory, for example one started by srun on several machines, the job's state may only
    be FAILED; the accounting has the states of the steps.
    """
    said = _queue(job)
    if not said or said[0] == "FAILED":
        said += _states(["sacct", "-n", "-P", "-o", "State", "-j", job])
    return "OUT_OF_MEMORY" if "OUT_OF_MEMORY" in said else next(iter(said), None)


def queued(job: str) -> str | None:
    """Return the state in which a job (any task of an array) waits or runs; None if it has ended."""
    return next((state for state in _queue(job) if state in WAITING | GOING), None)


def _queue(job: str) -> list[str]:
    return _states(["squeue", "-h", "-t", "all", "-o", "%T", "-j", job])


def _states(command: Sequence[str]) -> list[str]:
    """Return the first word of every line a command prints: `CANCELLED by 1000` is CANCELLED.

    None for a job that Slurm has forgotten: squeue forgets after some minutes, and not every cluster has accounting.
    """
    try:
        return [line.split()[0] for line in ask(command).splitlines() if line.strip()]
    except LabError as error:
        if any(words in str(error) for words in FORGOTTEN):
            return []
        raise
