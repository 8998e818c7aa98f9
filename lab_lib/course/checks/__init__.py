"""One check per exercise: `check("04.2", answer)` confirms a right answer, or names the input that failed.

The exercises of lab NN are in the module `labNN`: a dict CHECKS of `core.Exercise`, and SHOWS of functions that draw or
print a student's answer. Checks are deterministic and offline, and hold no answers.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from lab_lib.course.checks.core import UNWRITTEN, Wrong, WrongAnswer, described, judge
from lab_lib.course.points import tick
from lab_lib.course.progress import reward
from lab_lib.errors import LabError, nearest

FAILURES: Counter[str] = Counter()  # in this kernel, by exercise
HINT_FROM = 2  # the hint is shown from this failure on


def labs() -> list[str]:
    """Return the numbers of the labs that have checks, for example `["00", "01"]`."""
    return sorted(m.name[3:] for m in pkgutil.iter_modules(__path__) if re.fullmatch(r"lab\d\d", m.name))


def check(exercise: str, *answer: Any) -> None:
    """Check a student's answer, a function or values; print one line with the points so far when it is right.

    Raises WrongAnswer, shown without a traceback, with the input that failed, both values and, from the second failure
    on, a hint; LabError for an exercise that does not exist.
    """
    asked = _entry(exercise, "CHECKS")
    try:
        judge(asked, *answer)
    except Wrong as wrong:
        FAILURES[exercise] += 1
        hint = asked.hint if FAILURES[exercise] >= HINT_FROM else None
        raise WrongAnswer(exercise, asked.title, str(wrong), hint) from None
    FAILURES.pop(exercise, None)
    borrowed = any(getattr(one, "borrowed", "") == exercise for one in answer if inspect.isfunction(one))
    print(f"{tick()} {exercise} {asked.title}{reward(exercise, borrowed)}")


def show(exercise: str, *answer: Any) -> None:
    """Draw or print results of a student's answer; print one line if the answer is not written yet.

    Raises WrongAnswer, shown without a traceback, for an answer that cannot be drawn.
    """
    drawn = _entry(exercise, "SHOWS")
    try:
        drawn(*answer)
    except NotImplementedError:
        print(f"{exercise}: {UNWRITTEN}")
    except (LabError, ImportError):
        raise
    except (Exception, SystemExit) as error:
        message = f"{described(error)}; check({exercise!r}, ...) says what is wrong"
        raise WrongAnswer(exercise, "cannot be shown", message, None) from error


def _entry(exercise: str, table: str) -> Any:
    exercise = exercise if isinstance(exercise, str) else repr(exercise)  # check(double) for check("04.1", double)
    number = exercise.partition(".")[0]
    if number not in labs():
        raise LabError(f"exercise {exercise!r}: there is no lab {number!r}{nearest(number, labs())}")
    entries: Mapping[str, Any] = getattr(importlib.import_module(f"{__name__}.lab{number}"), table, {})
    if exercise not in entries:
        raise LabError(f"exercise {exercise!r} has no {table.lower()[:-1]}{nearest(exercise, entries)}")
    return entries[exercise]
