"""This process among the processes of one run: its rank, their number, and waiting for the others.

`torchrun --nproc_per_node N -m lab_lib ...` starts N processes and sets RANK and WORLD_SIZE for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab_lib.errors import LabError
from lab_lib.processes.settings import whole

ASKED = "LAB_WORLD_SIZE"  # number of processes that the launcher or a user of accelerate requested


@dataclass(frozen=True)
class Processes:
    """This process among the `count` processes of a run; `rank` starts at 0."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that prints, writes and records."""
        return self.rank == 0

    def connect(self) -> None:
        """Connect to the other processes, so that each notices when one of them ends. Does nothing for a single
        process."""
        if self.count > 1:
            import torch.distributed as distributed

            if not distributed.is_initialized():
                distributed.init_process_group("gloo")  # no tensors are sent, so gloo is sufficient on GPUs too

    def wait(self) -> None:
        """Wait for all processes. Raises LabError if one of them has ended."""
        if self.count > 1:
            import torch.distributed as distributed

            try:
                distributed.barrier()
            except RuntimeError:
                raise LabError(
                    "another process of this run has ended; all written files are kept, the same command resumes"
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
    """Return this process's rank from the variables of torchrun or srun; a single process without them."""
    return Processes(whole("RANK", 0), whole("WORLD_SIZE", 1, least=1))


def require_one(what: str, instead: str = "start it without torchrun") -> None:
    """Raise LabError if several processes were started for a single-process command: all would write the same files."""
    if (count := this_process().count) > 1:
        raise LabError(f"{what} is for one process, and {count} were started; {instead}")


def world_size() -> int:
    """Return the number of processes in this training.

    Raises LabError if it differs from the requested number: `accelerate launch --cpu --num_processes 2` starts one
    process, and `srun -n 2` starts two unconnected processes that would write the same folder.
    """
    count = this_process().count
    asked = whole(ASKED, count, least=1)
    if asked != count:
        raise LabError(f"{asked} processes were requested ({ASKED}), but there are {count}; start them with torchrun")
    tasks = whole("SLURM_STEP_NUM_TASKS", 1, least=1)
    if count == 1 and tasks > 1:
        raise LabError(f"srun started {tasks} unconnected processes; start them with torchrun")
    return count
