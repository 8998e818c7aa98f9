"""One kind of error for everything a user can put right, and how texts of others are shown in a terminal."""

from __future__ import annotations

import difflib
import re
import reprlib
import signal
from collections.abc import Callable, Iterable
from typing import Any

# What acts on a terminal instead of being seen: controls, halves of surrogate pairs, the separators of lines, and what
# turns the direction of writing.
ACTING = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


COMMAND = re.compile(r"([`'(])lab (?=[a-z])")  # as messages quote a command


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

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook prints instead of a traceback (IPython's hook): one line, with remedies of its own.

        A notebook has no options, and its cells call a command with `!`.
        """
        text = str(self).replace("choose another --out", "choose another folder, or delete this one")
        text = COMMAND.sub(r"\1!lab ", text)
        return [f"error: {text}"]


class OutOfMemory(LabError):
    """Model and batch do not fit into the memory of the device; the message says what to turn down."""


class TooLong(LabError):
    """A prompt that leaves no room, although all that may be cut was cut; `excess` is the number of tokens too many."""

    def __init__(self, message: str, excess: int) -> None:
        self.excess = excess
        super().__init__(message)


class Stopped(BaseException):
    """A signal asked this process to end. Finished work is kept, and the same command resumes from there.

    Not an Exception, which libraries catch, and no KeyboardInterrupt, which the command line's library makes its own
    exit of.
    """

    def __init__(self, number: int):
        self.number, self.name = number, signal.Signals(number).name
        self.for_good: Callable[[str], None] = lambda reason: None  # told why, when the job is not put back after all
        super().__init__(f"stopped by {self.name}")


LONGEST_NAME = 200  # characters that are compared with the valid names; the time grows with their square


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the closest valid name, else a list of the valid ones.

    >>> nearest("lerning_rate", ["learning_rate", "rank"])
    "; did you mean 'learning_rate'?"
    >>> nearest("zzz", ["learning_rate", "rank"])
    '; valid: learning_rate, rank'
    """
    names = sorted(valid)
    close = difflib.get_close_matches(str(name)[:LONGEST_NAME], names, n=1)
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


LONG = 80  # characters of a value in a message


def cut(value: Any) -> str:
    """Return a value as messages have it: a text or number as it is, its beginning where it is long.

    >>> cut("cosine"), cut(True), cut("x" * 100)[-5:], len(cut([0] * 1000))
    ('cosine', 'True', 'xx...', 80)
    """
    text = value if isinstance(value, str) else shown(value, LONG)
    return text if len(text) <= LONG else f"{text[: LONG - 3]}..."


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
