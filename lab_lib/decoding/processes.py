"""Decoding by several processes: each takes whole dialogues, and the first one joins what all have written.

`torchrun --nproc_per_node N -m lab_lib decode RUN` starts N; torchrun tells each its number by RANK and WORLD_SIZE.
A reply depends on its dialogue, its turn and the seed alone, so who writes it changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_lib.errors import LabError
from lab_lib.prompts.encode import Prompt


@dataclass(frozen=True)
class Processes:
    """This process among those that decode together: `rank` from 0 on, of `count`."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that prints, joins and records."""
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
                    "another process that decodes with this one has ended; replies are kept, the same command goes on"
                ) from None

    def share(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Return the prompts of this process's dialogues: whole ones, dealt from the longest down, one each in turn."""
        sizes: dict[str, int] = {}
        for prompt in prompts:
            sizes[prompt.key] = sizes.get(prompt.key, 0) + len(prompt.ids)
        dealt = sorted(sizes, key=lambda key: (-sizes[key], key))[self.rank :: self.count]
        mine = set(dealt)
        return [prompt for prompt in prompts if prompt.key in mine]

    def partial(self, path: Path) -> Path:
        """Return the file that this process appends its replies to before `path` is complete."""
        return path.with_name(f"{path.name}.partial" + (f"-{self.rank}" if self.rank else ""))


def require_one(what: str, instead: str = "start it without torchrun") -> None:
    """Raise LabError when several processes were started for what one does: all would write the same files."""
    if (count := of_environment().count) > 1:
        raise LabError(f"{what} is for one process, and {count} were started; {instead}")


def partials(path: Path) -> list[Path]:
    """Return the files of replies that any number of processes have left before `path` was complete."""
    return sorted(path.parent.glob(f"{path.name}.partial*"))


def of_environment() -> Processes:
    """Return this process as torchrun, or srun with the same variables, started it; alone without them."""
    return Processes(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
