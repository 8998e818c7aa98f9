"""Decoding by several processes: each takes whole dialogues, and the first one joins what all have written.

A reply depends on its dialogue, its turn and the seed alone, so who writes it changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab_lib.processes.rank import Processes
from lab_lib.prompts.encode import Prompt


def share(processes: Processes, prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return the prompts of this process's dialogues: whole ones, dealt from the longest down, one each in turn."""
    sizes: dict[str, int] = {}
    for prompt in prompts:
        sizes[prompt.key] = sizes.get(prompt.key, 0) + len(prompt.ids)
    dealt = sorted(sizes, key=lambda key: (-sizes[key], key))[processes.rank :: processes.count]
    mine = set(dealt)
    return [prompt for prompt in prompts if prompt.key in mine]


def partial_file(processes: Processes, path: Path) -> Path:
    """Return the file that this process appends its replies to before `path` is complete."""
    return path.with_name(f"{path.name}.partial" + (f"-{processes.rank}" if processes.rank else ""))


def partial_files(path: Path) -> list[Path]:
    """Return the files of replies that any number of processes have left before `path` was complete."""
    return sorted(path.parent.glob(f"{path.name}.partial*"))
