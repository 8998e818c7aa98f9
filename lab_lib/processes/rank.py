"""This process among those that work on one run: its rank, how many there are, and waiting for the others.

`torchrun --nproc_per_node N -m lab_lib ...` starts N processes and tells each its number by RANK and WORLD_SIZE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab_lib.errors import LabError
from lab_lib.processes.settings import whole

ASKED = "LAB_WORLD_SIZE"  # how many processes the launchers, or whoever calls accelerate by hand, asked for


@dataclass(frozen=True)
class Processes:
    """This process among those that share a run: `rank` from 0 on, of `count`."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that prints, writes and records."""
        return self.rank == 0

    def connect(self) -> None:
        """Meet the other processes, so that each notices when one of them ends. Does nothing for a single one."""
        if self.count > 1:
            import torch.distributed as distributed

            if not distributed.is_initialized():
                distributed.init_process_group("gloo")  # no tensors are sent, so gloo does on GPUs too

    def wait(self) -> None:
        """Wait until every process is here. Raises LabError when one of them has ended."""
        if self.count > 1:
            import torch.distributed as distributed

            try:
                distributed.barrier()
            except RuntimeError:
                raise LabError(
                    "another process of this run has ended; what is written is kept, the same command resumes"
                ) from None

    def gather(self, value: Any) -> list[Any]:
        """Return every process's value, in the order of ranks, in each of them."""
        if self.count == 1:
            return [value]
        import torch.distributed as distributed

        values: list[Any] = [None] * self.count
        distributed.all_gather_object(values, value)
        return values


def this_process() -> Processes:
    """Return this process as torchrun, or srun with the same variables, started it; alone without them."""
    return Processes(whole("RANK", 0), whole("WORLD_SIZE", 1, least=1))


def require_one(what: str, instead: str = "start it without torchrun") -> None:
    """Raise LabError when several processes were started for what one does: all would write the same files."""
    if (count := this_process().count) > 1:
        raise LabError(f"{what} is for one process, and {count} were started; {instead}")


def world_size() -> int:
    """Return the number of processes that train together.

    Raises LabError when it is not the number that was asked for: `accelerate launch --cpu --num_processes 2` starts
    one, and `srun -n 2` two that know nothing of each other and would write one folder.
    """
    count = this_process().count
    asked = whole(ASKED, count, least=1)
    if asked != count:
        raise LabError(f"{asked} processes were asked for ({ASKED}) and {count} came; start them with torchrun")
    tasks = whole("SLURM_STEP_NUM_TASKS", 1, least=1)
    if count == 1 and tasks > 1:
        raise LabError(f"srun started {tasks} processes that know nothing of each other; start them with torchrun")
    return count
