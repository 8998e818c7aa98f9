"""Where the command line writes: everything for people on stderr, results that scripts read on stdout."""

from __future__ import annotations

from rich.console import Console

console = Console(stderr=True)


def print_line(line: str) -> None:
    """Print one line for people, as it is."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)
