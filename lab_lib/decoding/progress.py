"""The progress bar of decoding."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class DecodingProgress:
    """A progress bar on stderr; the `with` returns a function to call with the number of new answers."""

    def __init__(self, console: Console, title: str, total: int):
        columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=console)
        self.task = self.bar.add_task(title, total=total)

    def __enter__(self) -> Any:
        self.bar.start()
        return lambda done: self.bar.advance(self.task, done)

    def __exit__(self, *error: object) -> None:
        self.bar.stop()
