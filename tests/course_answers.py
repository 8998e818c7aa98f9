"""Right and wrong answers to the exercises of the labs: what the solutions define, and what a check says."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from lab_lib.course import check
from lab_lib.course.checks import FAILURES
from lab_lib.course.checks.core import WrongAnswer
from lab_lib.course.source import checkout, exercises, find_lab, solution
from lab_lib.files import read_text

# What cells without an exercise import in a notebook: {name there: module}.
IMPORTED = {name: name for name in ("math", "random", "re", "statistics", "torch")} | {"np": "numpy"}


@cache
def solved(lab: str) -> dict[str, Any]:
    """Return the names that the solutions of a lab's exercises define, run in order as in the notebook."""
    text = read_text(find_lab(checkout(), lab))
    used = [name for name in IMPORTED if re.search(rf"\b{name}\.", text)]
    names: dict[str, Any] = {name: importlib.import_module(IMPORTED[name]) for name in used}
    for exercise in exercises(text):
        exec(compile(solution(exercise, text), f"solution of {exercise}", "exec"), names)
    return names


def right_answers(lab: str) -> dict[str, Callable]:
    """Return {exercise: the function that solves it}, which is the last one that its solution defines."""
    text = read_text(find_lab(checkout(), lab))
    names = solved(lab)
    return {name: names[re.findall(r"^def (\w+)", solution(name, text), re.MULTILINE)[-1]] for name in exercises(text)}


def wrong_answers(lab: str) -> list[tuple[str, Any, str]]:
    """Return [(exercise, wrong answer, pattern that its message matches), ...] of a lab, in the order of exercises."""
    return importlib.import_module(f"tests.wrong_answers.lab{lab}").WRONG


def complaint(exercise: str, *answer: Any) -> str:
    """Return the message of the check for a wrong answer; fails when the check accepts it."""
    FAILURES.clear()
    with pytest.raises(WrongAnswer) as caught:
        check(exercise, *answer)
    return str(caught.value)
