"""One kind of error for everything a user can put right."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Callable, Iterable


class LabError(Exception):
    """Bad input or a missing thing: one clear line for the user, exit code 2, no traceback.

    The message names the file, line or record and says what was expected. Bugs of ours are never LabErrors.
    """


class OutOfMemory(LabError):
    """Model and batch do not fit into the memory of the device; the message says what to turn down."""


class Stopped(BaseException):
    """A signal asked this process to end. What is done is kept, and the same command goes on from there.

    Not an Exception, which libraries catch, and no KeyboardInterrupt, which the command line's library makes its own
    exit of.
    """

    def __init__(self, number: int):
        self.number, self.name = number, signal.Signals(number).name
        self.for_good: Callable[[str], None] = lambda reason: None  # told why, when the job is not put back after all
        super().__init__(f"stopped by {self.name}")


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the closest valid name, else a list of the valid ones.

    >>> nearest("lerning_rate", ["learning_rate", "rank"])
    "; did you mean 'learning_rate'?"
    >>> nearest("zzz", ["learning_rate", "rank"])
    '; valid: learning_rate, rank'
    """
    names = sorted(valid)
    close = difflib.get_close_matches(str(name), names, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; valid: {', '.join(names)}"


def apart(one: str, other: str, room: int = 60) -> tuple[str, str]:
    """Return two texts for a message, each cut to `room` characters around the first place where they differ.

    >>> apart("a long text, with one end", "a long text, with another end", room=12)
    ('… with one en…', '… with anothe…')
    """
    places = enumerate(zip(one, other, strict=False))
    first = next((place for place, (mine, theirs) in places if mine != theirs), min(len(one), len(other)))
    start = 0 if first < room // 2 or max(len(one), len(other)) <= room else first - room // 2
    return _window(one, start, room), _window(other, start, room)


def _window(text: str, start: int, room: int) -> str:
    """Return a part of a text, with … where something was left out."""
    return f"{'…' if start else ''}{text[start : start + room]}{'…' if len(text) > start + room else ''}"
