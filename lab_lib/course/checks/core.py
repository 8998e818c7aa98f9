"""The few words checks are written in: call, equal, close, refuses. Each says which input failed and how."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

UNWRITTEN = "not written yet: your code goes where `raise NotImplementedError()` stands"
LONGEST = 300  # characters of a value in a message


class Wrong(Exception):
    """An answer is wrong; the message is for the student."""


class WrongAnswer(AssertionError):
    """What `check` raises. A notebook shows its lines instead of a traceback, and stops there as at any error."""

    def __init__(self, exercise: str, title: str, message: str, hint: str | None):
        self.lines = [f"✗ {exercise} {title}", f"  {message}"] + ([f"  Hint: {hint}"] if hint else [])
        super().__init__("\n".join(self.lines))

    def _render_traceback_(self) -> list[str]:
        """Return what IPython prints (its documented hook for errors that explain themselves)."""
        return self.lines


@dataclass(frozen=True)
class Exercise:
    """A title of a few words, the check (raises Wrong; returns nothing when right), and a hint that is no answer."""

    title: str
    check: Callable[..., None]
    hint: str


def brief(value: Any) -> str:
    """Return a value for a message, cut after 300 characters.

    >>> brief([1, 2])
    '[1, 2]'
    """
    text = repr(_listed(value))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def call(function: Any, *arguments: Any, given: str, **named: Any) -> Any:
    """Return what a student's function answers. Raises Wrong when it is none, is unwritten or fails."""
    if not callable(function):
        raise Wrong(f"expected a function, got {brief(function)}; pass the function itself, without brackets")
    try:
        return function(*arguments, **named)
    except NotImplementedError:
        raise Wrong(UNWRITTEN) from None
    except Exception as error:  # whatever a student's code raises is told with its input
        line = traceback.extract_tb(error.__traceback__)[-1].lineno
        raise Wrong(f"for {given}: {type(error).__name__}: {error} (line {line} of the code that failed)") from error


def equal(got: Any, expected: Any, *, given: str, why: str = "") -> None:
    """Raise Wrong unless both values are equal (arrays and tensors: as nested lists). `why` ends the message."""
    if _same(got, expected):
        return
    none = "; does your function return its result?" if got is None else ""
    raise Wrong(f"for {given}: got {brief(got)}, expected {brief(expected)}{none}{_end(why)}")


def close(got: Any, expected: Any, *, given: str, tolerance: float, why: str = "") -> None:
    """Raise Wrong unless numbers, alone or in nested lists or arrays, differ by `tolerance` at most (absolute)."""
    try:
        ours, theirs = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    except (TypeError, ValueError):
        raise Wrong(f"for {given}: got {brief(got)}, expected numbers such as {brief(expected)}{_end(why)}") from None
    if ours.shape != theirs.shape:
        raise Wrong(f"for {given}: got shape {ours.shape}, expected {theirs.shape}{_end(why)}")
    if not np.allclose(ours, theirs, rtol=0, atol=tolerance):
        raise Wrong(f"for {given}: got {brief(got)}, expected {brief(expected)} (± {tolerance:g}){_end(why)}")


def refuses(function: Any, *arguments: Any, given: str, error: type[Exception] = ValueError, **named: Any) -> None:
    """Raise Wrong unless the function raises `error` for this bad input."""
    if not callable(function):
        raise Wrong(f"expected a function, got {brief(function)}")
    try:
        got = function(*arguments, **named)
    except error:
        return
    except NotImplementedError:
        raise Wrong(UNWRITTEN) from None
    except Exception as other:  # any other error is the student's wrong answer
        raise Wrong(f"for {given}: raised {type(other).__name__}, expected {error.__name__}") from other
    raise Wrong(f"for {given}: got {brief(got)}, expected a {error.__name__}")


def _same(got: Any, expected: Any) -> bool:
    return bool(_listed(got) == _listed(expected))


def _listed(value: Any) -> Any:
    """Return arrays, tensors and their scalars as Python lists and numbers, everything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def _end(why: str) -> str:
    return f". {why}" if why else ""
