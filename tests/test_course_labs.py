"""Every lab: the solutions pass their checks, and each typical mistake is found and gets a message of its own."""

from __future__ import annotations

import importlib
import inspect
import re
import warnings

import numpy as np
import pytest

from lab_lib.course import check, show
from lab_lib.course.checks import labs
from lab_lib.course.checks.core import WrongAnswer
from lab_lib.errors import LabError
from tests.course_answers import complaint, right_answers, wrong_answers
from tests.odd_answers import odd_functions, odd_values, twisted

WRONG: dict[str, list[tuple]] = {}
for lab in labs():
    for exercise, *answer in wrong_answers(lab):
        WRONG.setdefault(exercise, []).append(tuple(answer))
CASES = [
    pytest.param(exercise, answer, message, id=f"{exercise}-{number}")
    for exercise, answers in WRONG.items()
    for number, (answer, message) in enumerate(answers, 1)
]
# Here several wrong answers get the same explanation; what differs is the value that the message shows.
SHARED = {"01.1", "01.2", "02.1", "02.2", "02.3", "02.4", "21.1", "22.1", "22.2", "22.3", "22.4", "22.5", "22.6"}


def module(lab: str):
    return importlib.import_module(f"lab_lib.course.checks.lab{lab}")


def told(exercise: str, answer) -> str:
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        return complaint(exercise, answer)


@pytest.mark.parametrize("lab", labs())
def test_every_exercise_has_a_check_and_three_wrong_answers(lab):
    exercises = list(right_answers(lab))
    assert exercises == list(module(lab).CHECKS) and set(getattr(module(lab), "SHOWS", {})) <= set(exercises)
    assert exercises == [exercise for exercise in WRONG if exercise.startswith(lab)]
    assert min(len(WRONG[exercise]) for exercise in exercises) >= 3


@pytest.mark.parametrize("exercise", WRONG)
def test_the_solution_is_right(exercise, capsys):
    check(exercise, right_answers(exercise[:2])[exercise])
    assert capsys.readouterr().out.startswith(f"✓ {exercise}")


@pytest.mark.parametrize(("exercise", "answer", "message"), CASES)
def test_a_wrong_answer_is_told_why(exercise, answer, message):
    said = told(exercise, answer)
    matching = [pattern for _, pattern in WRONG[exercise] if re.search(pattern, said, re.IGNORECASE)]
    assert message in matching and (matching == [message] or exercise in SHARED)
    assert not getattr(module(exercise[:2]), "RAN", []), "the check ran the text of a model"


@pytest.mark.parametrize("exercise", sorted(SHARED))
def test_messages_with_the_same_explanation_differ(exercise):
    said = [told(exercise, answer) for answer, _ in WRONG[exercise]]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("exercise", WRONG)
def test_an_odd_answer_is_refused_in_one_line(exercise):
    """No odd value that a student passes or returns causes a traceback from the check, and none is accepted."""
    for name, answer in (odd_values() | odd_functions()).items():
        title, message = told(exercise, answer).split("\n")  # a second failure would add a hint
        assert title.startswith(f"✗ {exercise} ") and message.startswith("  ") and len(message) < 1000, name


# Building models for each of many answers takes a while.
LONG = {"20.1", "20.8"}


@pytest.mark.parametrize("exercise", [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in WRONG])
def test_a_right_answer_in_another_form_is_judged_in_one_line(exercise, capsys):
    """Accepted, or refused with a message: lists for arrays, tensors that require grad, generators, a value too few."""
    for name, answer in twisted(right_answers(exercise[:2])[exercise]).items():
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                check(exercise, answer)
        except WrongAnswer as wrong:
            title, *message = str(wrong).split("\n")
            assert title.startswith(f"✗ {exercise} ") and len(message) <= 2 and len(str(wrong)) < 1500, name
        else:
            assert capsys.readouterr().out.startswith(f"✓ {exercise} "), name


@pytest.mark.parametrize("exercise", [name for lab in labs() for name in getattr(module(lab), "SHOWS", {})])
def test_what_cannot_be_shown_is_told_in_one_line(exercise):
    """`show` draws what it can; an answer of a wrong kind causes no traceback."""
    needed = len(inspect.signature(module(exercise[:2]).SHOWS[exercise]).parameters)
    values = odd_values()
    for name in ("None", "x", "3", "generator", "ragged", "dict", "grad", "hostile", "cyclic", "object"):
        answer = values[name]
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                show(exercise, *[answer] * needed)
        except WrongAnswer as wrong:
            title, message = str(wrong).split("\n")
            assert title == f"✗ {exercise} cannot be shown" and len(message) < 1000, name
        except LabError as error:
            assert len(str(error)) < 1000, name
