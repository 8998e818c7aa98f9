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
