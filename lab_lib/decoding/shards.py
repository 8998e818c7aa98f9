"""Decoding by several processes: each decodes a shard of whole items, and the first one joins what all have written.

An answer depends on its item, its turn and the seed alone, so it is the same in whichever process it is generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab_lib.processes.rank import Processes
from lab_lib.prompts.encode import Prompt


def shard(processes: Processes, prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return the prompts of this process: those of whole items, dealt from the longest down, one each in turn."""
    sizes: dict[str, int] = {}
    for prompt in prompts:
        sizes[prompt.key] = sizes.get(prompt.key, 0) + len(prompt.ids)
    dealt = sorted(sizes, key=lambda key: (-sizes[key], key))[processes.rank :: processes.count]
    mine = set(dealt)
    return [prompt for prompt in prompts if prompt.key in mine]


def partial_file(processes: Processes, path: Path) -> Path:
    """Return the file that this process appends its answers to before `path` is complete."""
    return path.with_name(f"{path.name}.partial" + (f"-{processes.rank}" if processes.rank else ""))


def partial_files(path: Path) -> list[Path]:
    """Return the files of answers that any number of processes have left before `path` was complete."""
    return sorted(path.parent.glob(f"{path.name}.partial*"))
