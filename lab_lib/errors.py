"""One kind of error for everything a user can put right, and how texts of others are shown in a terminal."""

from __future__ import annotations

import difflib
import re
import signal
from collections.abc import Callable, Iterable

# What acts on a terminal instead of being seen: controls, halves of surrogate pairs, the separators of lines, and what
# turns the direction of writing.
ACTING = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    """Return a text on one line, with all that cannot be seen spelt out: ids and file names can hold anything.

    >>> print(one_line("a\\n::stop-commands::\\x1b[2J"))
    a\\u000a::stop-commands::\\u001b[2J
    """
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def visible(text: str, keep: str = "") -> str:
    """Return a text with what would act on a terminal spelt out, but for the characters of `keep`.

    Unlike `one_line`, it leaves what only joins or spaces letters, as many scripts need it.

    >>> print(visible("a\\x1b[2J\\n", keep="\\n"), end="")
    a\\u001b[2J
    """
    return ACTING.sub(lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text)


class LabError(Exception):
    """Bad input or a missing thing: one clear line for the user, exit code 2, no traceback.

    The message names the file, line or record and says what was expected. What it quotes from a file may hold anything:
    shown, it is always one line. Bugs of ours are never LabErrors.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


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
