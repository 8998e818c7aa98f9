"""One kind of error for everything a user can put right."""

from __future__ import annotations

import difflib
import reprlib
import signal
from collections.abc import Callable, Iterable
from typing import Any


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


def shown(value: Any, width: int = 60) -> str:
    """Return a value as a message shows it: its repr, one line of at most `width` characters.

    No more of the value is written than is shown, so a value of gigabytes costs nothing. Line breaks, control
    characters and halves of surrogate pairs are escaped, as repr does.

    >>> shown("a\\nb"), shown("x" * 10**6, width=12), shown([0] * 10**6, width=12)
    ("'a\\\\nb'", "'xxxxxxxx...", '[0, 0, 0,...')
    """
    try:
        text = _Short(width).repr(value)
    except (ValueError, RecursionError):  # Python prints no whole number of more than 4,300 digits
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= width else f"{text[: width - 3]}..."


class _Short(reprlib.Repr):
    """Reprs of the beginnings of values: as many elements as a line of `width` characters can show, three levels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.maxlevel, self.maxother = 3, width + 1
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = width // 3 + 1
        self.maxstring = self.maxlong = 10 * width

    def repr_str(self, value: str, level: int) -> str:
        """Keep the beginning of a text, where reprlib would cut its middle out."""
        return repr(value[: self.maxother])
