"""Decoding in several processes: each decodes a shard of whole items, and the first one joins the files.

An answer depends only on its item, its turn and the seed, so every process would generate the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab_lib.processes.rank import Processes
from lab_lib.prompts.encode import Prompt


def shard(processes: Processes, prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return the prompts of this process: whole items are assigned to the processes in turn, longest first."""
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
    """Return the partial files that processes wrote before `path` was complete, for any number of processes."""
    return sorted(path.parent.glob(f"{path.name}.partial*"))
