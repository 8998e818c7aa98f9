"""How many processes train together, and what each step then learns from."""

from __future__ import annotations

import os

from lab_lib.errors import LabError
from lab_lib.training.config import TrainConfig

ASKED = "LAB_WORLD_SIZE"  # what the launchers started, or whoever calls accelerate by hand asked for


def world_size() -> int:
    """Return the number of processes of this run, which torchrun says in WORLD_SIZE.

    Raises LabError when other than as many as were asked for: `accelerate launch --cpu --num_processes 2` starts one,
    and `srun -n 2` two that know nothing of each other and would write one folder.
    """
    got = int(os.environ.get("WORLD_SIZE", "1"))
    asked = int(os.environ.get(ASKED, got))
    if asked != got:
        raise LabError(f"{asked} processes were asked for ({ASKED}) and {got} came; start them with torchrun")
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    if got == 1 and tasks > 1:
        raise LabError(f"srun started {tasks} processes that know nothing of each other; start them with torchrun")
    return got


def batch_line(config: TrainConfig, world: int) -> str:
    """Return one line on what a step learns from.

    >>> batch_line(TrainConfig(batch_size=16, micro_batch_size=4), 2)
    '2 processes x 4 examples at once x 2 times = 16 examples a step'
    """
    times = config.batch_size // (config.micro_batch_size * world)
    count, often = f"{world} process{'es' if world > 1 else ''}", f"{times} time{'s' if times > 1 else ''}"
    return f"{count} x {config.micro_batch_size} examples at once x {often} = {config.batch_size} examples a step"
