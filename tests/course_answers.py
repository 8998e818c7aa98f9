"""Help for the tests of labs: what the solutions define, and what a check says to a wrong answer."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest

from lab_lib.course import check
from lab_lib.course.checks import FAILURES
from lab_lib.course.checks.core import WrongAnswer
from lab_lib.course.source import checkout, exercises, find_lab, solution
from lab_lib.files import read_text


def solved(lab: str, **imported: Any) -> dict[str, Any]:
    """Return the names that the solutions of a lab's exercises define, run in order as in the notebook.

    `imported` are names that other cells of the notebook import, for example np.
    """
    text = read_text(find_lab(checkout(), lab))
    names: dict[str, Any] = dict(imported)
    for exercise in exercises(text):
        exec(compile(solution(exercise, text), f"solution of {exercise}", "exec"), names)
    return names


def right_answers(lab: str, **imported: Any) -> dict[str, Any]:
    """Return {exercise: the function that solves it}, the last one its solution defines; imported as for `solved`."""
    text = read_text(find_lab(checkout(), lab))
    names = solved(lab, **imported)
    return {name: names[re.findall(r"^def (\w+)", solution(name, text), re.MULTILINE)[-1]] for name in exercises(text)}


def require_own_messages(wrong: Iterable[tuple[str, Any, str]], checks: Iterable[str]) -> None:
    """Fail unless every exercise has at least three wrong answers, in order, and each of them a message of its own.

    `wrong` holds (exercise, wrong answer, pattern of the message).
    """
    said = defaultdict(list)
    for exercise, answer, _ in wrong:
        said[exercise].append(complaint(exercise, answer))
    assert list(said) == list(checks)
    assert all(len(set(lines)) == len(lines) >= 3 for lines in said.values()), dict(said)


def complaint(exercise: str, *answer: Any) -> str:
    """Return what the check says to a wrong answer; fails when it takes it for right."""
    FAILURES.clear()
    with pytest.raises(WrongAnswer) as caught:
        check(exercise, *answer)
    return str(caught.value)
