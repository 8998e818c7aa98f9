"""The assertions of the checks: call, equal, close, refuses. Each failure names the input and what is wrong.

A student may return anything. So `same`, `near` and `brief` never raise, and `judge` turns every exception that a
returned value causes in a check into a wrong answer that shows the value.
"""

from __future__ import annotations

import inspect
import numbers
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab_lib.course.classroom import class_seed
from lab_lib.course.points import cross
from lab_lib.errors import apart

UNWRITTEN = "not written yet: replace `raise NotImplementedError()` with your code"
LONGEST = 300  # characters of a value in a message
RETURNED: dict[str, Any] = {}  # the last input that `call` gave to a student's function, and the value returned


class Wrong(Exception):
    """An answer is wrong; the message is for the student."""


class WrongAnswer(AssertionError):
    """What `check` raises. A notebook shows its lines instead of a traceback, and stops as it does at any error."""

    def __init__(self, exercise: str, title: str, message: str, hint: str | None):
        self.lines = [f"{cross()} {exercise} {title}", f"  {message}"] + ([f"  Hint: {hint}"] if hint else [])
        super().__init__("\n".join(self.lines))

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython prints instead of a traceback (its documented hook)."""
        return self.lines


@dataclass(frozen=True)
class Exercise:
    """A title of a few words, the check (raises Wrong; returns nothing when right), and a hint without the answer."""

    title: str
    check: Callable[..., None]
    hint: str


def drawn(number: int) -> np.random.Generator:
    """Return a generator for random inputs: the same ones everywhere, except in the folder of a class."""
    seed = class_seed()
    return np.random.default_rng(number if seed is None else [number, seed + 1])  # [n, 0] gives the same numbers as n


def judge(exercise: Exercise, *answer: Any) -> None:
    """Run a check. Raises Wrong for every answer that is not right, also for one that the check cannot read."""
    RETURNED.clear()
    expected = len(inspect.signature(exercise.check).parameters)
    if len(answer) != expected:
        raise Wrong(f"got {len(answer)} answers, expected {expected}: pass the exercise's number, then your function")
    try:
        exercise.check(*answer)
    except (Wrong, ImportError):  # a package that is missing is not the student's fault
        raise
    except (Exception, SystemExit) as error:
        got = RETURNED.get("got", answer[0])
        given = f"for {RETURNED['given']}: " if RETURNED else ""
        message = f"{given}got {brief(got)}, expected a value of another form; reading yours raises {described(error)}"
        raise Wrong(message) from error


def brief(value: Any) -> str:
    """Return a value for a message, cut after 300 characters; never raises.

    >>> brief([1, 2])
    '[1, 2]'
    """
    return _cut(_written(value))


def _written(value: Any) -> str:
    try:
        return repr(plain(value)).replace("\n", " ")
    except Exception:  # a student's own __repr__, nesting without end, a number of thousands of digits
        return f"a value of the type {type(value).__name__} that cannot be printed"


def described(error: BaseException) -> str:
    """Return `ValueError: its message`, cut after 300 characters; never raises."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # a student's own __str__
        text = type(error).__name__
    return _cut(text)


def _cut(text: str) -> str:
    """Return a text as one line of 300 characters at most."""
    line = text.replace("\n", " ")
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def call(function: Any, *arguments: Any, given: str, **named: Any) -> Any:
    """Return the value of a student's function. Raises Wrong when it is not callable, is unwritten or raises."""
    if not callable(function):
        raise Wrong(f"expected a function, got {brief(function)}; pass the function itself, without brackets")
    try:
        got = function(*arguments, **named)
    except NotImplementedError:
        raise Wrong(UNWRITTEN) from None
    except (Exception, SystemExit) as error:  # any error of a student's code is reported with its input
        frames = traceback.extract_tb(error.__traceback__)[1:]  # without this function's own
        theirs = [frame for frame in frames if frame.filename == frames[0].filename]  # not a line of a library
        line = f" (line {theirs[-1].lineno} of your code)" if theirs else ""
        raise Wrong(f"for {given}: {described(error)}{line}") from error
    RETURNED.update(given=given, got=got)
    return got


def equal(got: Any, expected: Any, *, given: str, why: str = "") -> None:
    """Raise Wrong unless both values are equal (arrays and tensors: as nested lists). `why` ends the message."""
    if same(got, expected):
        return
    none = "; does your function return its result?" if got is None else ""
    ours, theirs = apart(_written(got), _written(expected), LONGEST)
    raise Wrong(f"for {given}: got {ours}, expected {theirs}{none}{_end(why)}")


def close(got: Any, expected: Any, *, given: str, tolerance: float, why: str = "") -> None:
    """Raise Wrong unless numbers, alone or in nested lists or arrays, differ by `tolerance` at most (absolute)."""
    ours, theirs = floats(got, given=given, form=f"numbers such as {brief(expected)}{_end(why)}"), _array(expected)
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
    except (Exception, SystemExit) as other:  # any other error is the student's wrong answer
        raise Wrong(f"for {given}: raised {type(other).__name__}, expected {error.__name__}") from other
    raise Wrong(f"for {given}: got {brief(got)}, expected a {error.__name__}")


def floats(got: Any, *, given: str, form: str) -> np.ndarray:
    """Return numbers, alone or in nested lists, arrays or tensors, as an array. Raises Wrong for everything else.

    Text, Booleans and complex numbers are refused here, although numpy can convert them.
    """
    try:
        return _array(got)
    except Exception:
        raise Wrong(f"for {given}: got {brief(got)}, expected {form}") from None


def same(got: Any, expected: Any) -> bool:
    """Return whether two values are equal, and of the same kind: True is not 1, and a list is not a tuple."""
    try:
        return _same(plain(got), plain(expected))
    except Exception:  # a value that cannot be compared is not the expected one
        return False


def near(got: Any, expected: Any, tolerance: float = 1e-9) -> bool:
    """Return whether numbers have the same shape and differ by `tolerance` at most; False for all other values."""
    try:
        ours, theirs = _array(got), _array(expected)
    except Exception:
        return False
    return ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=0, atol=tolerance)


def plain(value: Any) -> Any:
    """Return arrays, tensors and their scalars, also inside lists, tuples and dicts, as Python lists and numbers."""
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if hasattr(value, "detach"):  # a tensor, perhaps one that requires grad
        value = value.detach()
    return value.tolist() if hasattr(value, "tolist") and not isinstance(value, type) else value


def refuse_traps(got: Any, traps: Mapping[Any, str], given: str, tolerance: float = 1e-6) -> None:
    """Raise Wrong with the message of a known mistake when a number is the result of that mistake."""
    for value, message in traps.items():
        if near(got, value, tolerance * max(abs(value), 1e-3)):
            raise Wrong(f"for {given}: got {brief(got)}; {message}")


def _array(value: Any) -> np.ndarray:
    listed = plain(value)
    if not all(map(_is_number, _leaves(listed))):
        raise TypeError("a value that is not a real number")
    return np.asarray(listed, dtype=float)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _same(got: Any, expected: Any) -> bool:
    """Compare plain values; the expected value decides which types are accepted."""
    if isinstance(expected, dict):
        alike = isinstance(got, dict) and got.keys() == expected.keys()
        return alike and all(_same(got[key], value) for key, value in expected.items())
    if isinstance(expected, list | tuple):
        kind = list if isinstance(expected, list) else tuple
        return isinstance(got, kind) and len(got) == len(expected) and all(map(_same, got, expected))
    if _is_number(expected):
        return _is_number(got) and bool(got == expected)
    return isinstance(got, type(expected)) and expected.__eq__(got) is True  # our __eq__, not the student's


def _end(why: str) -> str:
    return f". {why}" if why else ""
