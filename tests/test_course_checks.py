"""The assertions of the checks: what passes, the message of each failure, when a hint is shown."""

from __future__ import annotations

import re
import types
from collections import Counter

import numpy as np
import pytest
import torch

from lab_lib.course import checks, corridor
from lab_lib.course.checks.core import UNWRITTEN, Exercise, Wrong, WrongAnswer, call, close, equal, refuses
from lab_lib.errors import LabError
from tests.odd_answers import Agreeable, Hostile, fails


def says(function, *arguments, **named) -> str:
    with pytest.raises(Wrong) as error:
        function(*arguments, **named)
    return str(error.value)


@pytest.fixture
def lab(monkeypatch):
    """A lab of one exercise, in place of the modules of the course."""

    def double(answer):
        equal(call(answer, 2, given="2"), 4, given="2", why="Twice the number")

    module = types.SimpleNamespace(
        CHECKS={"77.1": Exercise("double", double, hint="Think of a pair")}, SHOWS={"77.1": print}
    )
    monkeypatch.setattr(checks, "labs", lambda: ["77"])
    monkeypatch.setattr(checks.importlib, "import_module", lambda name: module)
    monkeypatch.setattr(checks, "FAILURES", checks.Counter())


def test_a_right_answer_prints_one_line(lab, capsys):
    checks.check("77.1", lambda x: x + x)
    assert capsys.readouterr().out == "✓ 77.1 double\n"


def test_the_hint_comes_with_the_second_failure_and_goes_after_success(lab):
    def lines(answer):
        with pytest.raises(WrongAnswer) as error:
            checks.check("77.1", answer)
        return error.value._render_traceback_()

    first = ["✗ 77.1 double", "  for 2: got 6, expected 4. Twice the number"]
    assert lines(lambda x: 3 * x) == first
    assert lines(lambda x: 3 * x) == [*first, "  Hint: Think of a pair"]
    checks.check("77.1", lambda x: 2 * x)
    assert lines(lambda x: 3 * x) == first


def test_a_notebook_shows_the_lines_and_no_traceback(lab, capsys):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.user_ns["check"] = checks.check
    shell.run_cell("check('77.1', lambda x: None)")
    out = "".join(capsys.readouterr())
    assert "✗ 77.1 double" in out and "does your function return its result?" in out and "Traceback" not in out


def test_an_unknown_exercise_names_the_nearest(lab):
    with pytest.raises(LabError, match="did you mean"):
        checks.check("77.2", print)
    with pytest.raises(LabError, match="no lab '7'"):
        checks.check("7.1", print)


def test_show_says_when_there_is_nothing_yet(lab, capsys, monkeypatch):
    def unwritten(*_):
        raise NotImplementedError

    checks.show("77.1", "seen")
    monkeypatch.setitem(checks.importlib.import_module("").SHOWS, "77.1", unwritten)
    checks.show("77.1", "unseen")
    assert capsys.readouterr().out == f"seen\n77.1: {UNWRITTEN}\n"


def test_show_names_an_answer_that_cannot_be_drawn(lab, monkeypatch):
    monkeypatch.setitem(checks.importlib.import_module("").SHOWS, "77.1", lambda answer: answer() + 1)
    with pytest.raises(WrongAnswer, match=r"77\.1 cannot be shown\n  TypeError: .*; check") as error:
        checks.show("77.1", lambda: None)
    assert isinstance(error.value.__cause__, TypeError)


def test_call_names_the_input_that_failed():
    def unwritten(x):
        raise NotImplementedError()

    assert "not written yet" in says(call, unwritten, 1, given="1")
    assert says(call, lambda x: 1 / x, 0, given="zero").startswith(
        "for zero: ZeroDivisionError: division by zero (line "
    )
    assert "expected a function, got 4" in says(call, 4, given="1")
    assert call(lambda x, y=1: x + y, 1, given="1", y=2) == 3


@pytest.mark.parametrize(
    "got, expected",
    [
        ([1], [1]), (np.array([1, 2]), [1, 2]), ("a", "a"), ({"a": 1}, {"a": 1}), (None, None), (np.int64(3), 3),
        ([np.array([1, 2])], [[1, 2]]), ((np.array([1]), 3), ([1], 3)), ({"a": np.ones(1)}, {"a": [1]}), ({1}, {1}),
        ([torch.tensor([1, 2])], [[1, 2]]), (torch.ones(1, requires_grad=True), [1.0]), (np.bool_(True), True),
        (Counter("a"), {"a": 1}), (2.0, 2),
    ],
)  # fmt: skip
def test_equal_passes(got, expected):
    equal(got, expected, given="it")


@pytest.mark.parametrize(
    "got, expected",
    [([1], [2]), (np.array([1, 2]), [1, 3]), (np.array([1, 2]), [1]), ((1,), [1]), (None, 1), (np.ones(2), "a"),
     (True, 1), (1, True), ("1", 1), (Agreeable(), 1), ([Agreeable()], ["a"]), (NotImplemented, None)],
)  # fmt: skip
def test_equal_shows_both_values(got, expected):
    message = says(equal, got, expected, given="it")
    assert message.startswith("for it: got ") and f"expected {expected!r}" in message


def test_long_values_are_cut():
    assert len(says(equal, "x" * 5000, "y", given="it")) < 400


def test_close_takes_numbers_only():
    for got in (True, "1.0", 1 + 0j, None, [1.0, "x"], float("nan"), Agreeable(), Hostile(), {1: 1.0}):
        assert says(close, got, 1.0, given="it", tolerance=5).startswith("for it: got ")
    close([torch.tensor(1.0, requires_grad=True), np.float32(2)], (1, 2), given="it", tolerance=0)


def test_a_check_that_cannot_read_an_answer_says_so(lab, monkeypatch):
    """An error in the student's own code, in contrast, is shown as theirs."""

    def longest(answer):
        equal(max(map(len, call(answer, "ab", given="'ab'"))), 2, given="'ab'")

    monkeypatch.setitem(checks.importlib.import_module("").CHECKS, "77.1", Exercise("longest", longest, hint=""))
    for answer, message in (
        (lambda x: 3, "for 'ab': got 3, expected a value of another form; reading yours raises TypeError: "),
        (lambda x: (1 / 0 for _ in x), "reading yours raises ZeroDivisionError: division by zero"),
        (fails(ZeroDivisionError("mine")), "for 'ab': ZeroDivisionError: mine (line "),
        (fails(SystemExit(3)), "for 'ab': SystemExit: 3 (line "),
        (lambda: 3, "takes 0 positional arguments but 1 was given$"),
    ):
        with pytest.raises(WrongAnswer, match=re.escape(message).replace(re.escape("$"), "$")):
            checks.check("77.1", answer)
    for arguments in ((), (len, len)):
        with pytest.raises(WrongAnswer, match=f"got {len(arguments)} answers, expected 1"):
            checks.check("77.1", *arguments)


def test_close_compares_shapes_and_numbers():
    close([1.0, 2.0], np.array([1.0, 2.0000001]), given="it", tolerance=1e-5)
    assert "(± 0.01)" in says(close, 1.02, 1.0, given="it", tolerance=0.01)
    assert "got shape (2,), expected (3,)" in says(close, [1, 2], [1, 2, 3], given="it", tolerance=1)
    assert "expected numbers such as" in says(close, "one", 1.0, given="it", tolerance=1)
    assert "got nan" in says(close, float("nan"), 1.0, given="it", tolerance=1)


def test_refuses_wants_the_named_error():
    def strict(x):
        raise ValueError(x)

    refuses(strict, 1, given="1")
    assert says(refuses, lambda x: 5, 1, given="1") == "for 1: got 5, expected a ValueError"
    assert "raised KeyError, expected ValueError" in says(refuses, lambda x: {}[x], 1, given="1")


def test_the_corridor_highlights_stages():
    lit = corridor("model", "prediction")
    assert repr(lit) == "corpus -> dialogue -> example -> [model] -> [prediction] -> report"
    assert lit._repr_svg_().count("#E69F00") == 2
    with pytest.raises(LabError, match="did you mean 'model'"):
        corridor("modle")
