"""Where the command line writes: everything for people on stderr, results that scripts read on stdout."""

from __future__ import annotations

from rich.console import Console

console = Console(stderr=True)
