"""The progress of decoding: a bar in a terminal, and lines in the log of a job."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lab_lib.texts import number_of

EVERY = 60.0  # seconds between two lines of a log, where the bar appears only when it is complete


class DecodingProgress:
    """A progress bar on stderr; the `with` returns a function to call with the number of new answers.

    In a file, such as the log of a cluster job, it also prints a line every minute.
    """

    def __init__(self, console: Console, title: str, total: int):
        columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=console)
        self.task = self.bar.add_task(title, total=total)
        self.begun = self.printed = time.monotonic()

    def __enter__(self) -> Any:
        self.bar.start()
        return self.advance

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def advance(self, done: int) -> None:
        """Count `done` more answers."""
        self.bar.advance(self.task, done)
        now, console = time.monotonic(), self.bar.console
        if console.is_terminal or console.is_jupyter or now - self.printed < EVERY:
            return
        self.printed = now
        console.print(progress_line(self.bar.tasks[0], now - self.begun), highlight=False)


def progress_line(task: Any, seconds: float) -> str:
    """Return the line of a log: how many answers there are after `seconds`, and how many minutes are left."""
    left = seconds / task.completed * (task.total - task.completed) if task.completed else 0.0
    return f"{task.description}: {task.completed:.0f} of {task.total:.0f}, {number_of(round(left / 60), 'minute')} left"
