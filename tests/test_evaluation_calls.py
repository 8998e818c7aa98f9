"""Verdicts on single items, by hand: categories, parallel calls, irrelevance, and the quirks behind the switch."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_lib.calls.bfcl import CallItem, Expected
from lab_lib.calls.schema import read_function
from lab_lib.evaluation.calls import judge_item
from lab_lib.evaluation.calls_match import assign_greedily, assignable
from lab_lib.evaluation.calls_types import CAUSES, Verdict

FAILED, FORMAT = "ast_decoder:decoder_failed", "ast_decoder:decoder_wrong_output_format"
NAME = "simple_function_checker:wrong_func_name"
NO_MATCH = "parallel_function_checker_no_order:cannot_find_match"


def describe(name: str) -> dict[str, Any]:
    """A function with a required integer x and an optional text y."""
    properties = {"x": {"type": "integer"}, "y": {"type": "string"}}
    return {"name": name, "parameters": {"type": "dict", "properties": properties, "required": ["x"]}}


FUNCTIONS = tuple(read_function(describe(name), "test") for name in ("f", "g.h"))


def item(category: str, *answers: tuple[str, list[int]], key: str = "") -> CallItem:
    """An item that expects calls (function, accepted x); y may be "a" or left out."""
    expected = tuple(Expected(name, {"x": tuple(values), "y": ("a", "")}) for name, values in answers)
    return CallItem(key or f"{category}_0", category, (), FUNCTIONS, expected)


def judged(category: str, text: Any, *answers: tuple[str, list[int]], strict: bool = True) -> tuple[bool, str | None]:
    verdict = judge_item(item(category, *answers), text, strict)
    assert (verdict.error_type is None) is verdict.correct and bool(verdict.message) is not verdict.correct
    assert bool(verdict.cause) is not verdict.correct
    return verdict.correct, verdict.error_type


ONE = ("f", [1])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("f(x=1)", None),
        ("[f(y='A', x=1)]", None),
        ("f(x=1), f(x=1)", "simple_function_checker:wrong_count"),
        ("[]", "simple_function_checker:wrong_count"),
        ("", "simple_function_checker:wrong_count"),
        ("g.h(x=1)", NAME),
        ("f(1)", "simple_function_checker:missing_required"),
        ("f(x=1, z=2)", "simple_function_checker:unexpected_param"),
        ("f(x=2)", "value_error:others"),
        ("f(x='1')", "type_error:simple"),
        ("f(x=1, y='b')", "value_error:string"),
        ("I would call f(x=1).", FAILED),
        ("```python\nf(x=1)\n```", FAILED),
    ],
)
def test_simple(text: str, error: str | None) -> None:
    assert judged("simple_python", text, ONE) == (error is None, error)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("g.h(x=1)", None),
        ("f(x=1)", NAME),
        ("g.h(x=1), f(x=1)", "multiple_function_checker:wrong_count"),
        ("[]", "multiple_function_checker:wrong_count"),
    ],
)
def test_multiple_picks_the_function_that_is_expected(text: str, error: str | None) -> None:
    assert judged("multiple", text, ("g.h", [1])) == (error is None, error)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[f(x=1), g.h(x=2)]", None),
        ("[g.h(x=2), f(x=1)]", None),
        ("[f(x=1)]", "parallel_function_checker_no_order:wrong_count"),
        ("[f(x=1), g.h(x=2), f(x=1)]", "parallel_function_checker_no_order:wrong_count"),
        ("[f(x=1), f(x=1)]", NO_MATCH),
        ("[f(x=1), g.h(x=3)]", NO_MATCH),
        ("[f(x=2), g.h(x=1)]", NO_MATCH),
        ("f(x=1) and g.h(x=2)", FAILED),
    ],
)
@pytest.mark.parametrize("category", ["parallel", "parallel_multiple", "live_parallel_multiple"])
def test_parallel_calls_come_in_any_order(category: str, text: str, error: str | None) -> None:
    assert judged(category, text, ONE, ("g.h", [2])) == (error is None, error)


def test_a_missing_match_names_what_was_wrong_with_every_call() -> None:
    verdict = judge_item(item("parallel", ONE, ("f", [2])), "[f(x=1), f(x=3)]")
    assert verdict.message.startswith("no call passes for expected call 1 (call 1: value_error:others, x=3")


def test_the_greedy_assignment_can_fail_where_a_better_one_exists() -> None:
    """Expected 1 or 2, and 1; called 1 and 2: the first expected call takes 1, and 2 does not pass for the other."""
    one = item("parallel", ("f", [1, 2]), ("f", [1]))
    official, own = judge_item(one, "[f(x=1), f(x=2)]"), judge_item(one, "[f(x=1), f(x=2)]", strict_bfcl=False)
    assert (official.correct, official.error_type, official.correct_exact) == (False, NO_MATCH, True)
    assert own == Verdict(True, correct_exact=True)
    assert judge_item(one, "[f(x=2), f(x=1)]") == Verdict(True, correct_exact=True)
    assert judge_item(one, "[f(x=2), f(x=2)]", strict_bfcl=False).correct_exact is False


@settings(deadline=None)
@given(
    st.integers(1, 5).flatmap(
        lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=n, max_size=n)
    )
)
def test_the_best_assignment_is_found_whenever_there_is_one(passing: list[list[bool]]) -> None:
    n = len(passing)
    exists = any(all(passing[row][column] for row, column in enumerate(order)) for order in permutations(range(n)))

    def matches(row: int, column: int) -> tuple[str, str] | None:
        return None if passing[row][column] else ("error", "no")

    assert assignable(n, matches) is exists
    assert exists or assign_greedily(n, matches) is not None


# irrelevance and relevance are exact opposites
@pytest.mark.parametrize(
    ("output", "calls"),
    [
        ("f(x=1)", True),
        ("nothing.like_it()", True),
        ("[f(1), f(2)]", True),
        ("", False),
        ("[]", False),
        ("None of the functions helps.", False),
        ("f", False),
        ([], False),
        ([{}], False),
        ([{"f": {}}], True),
        ("error", False),
        ({"f": {"x": 1}}, False),
        (None, False),
    ],
)
def test_irrelevance_and_relevance(output: Any, calls: bool) -> None:
    assert judged("irrelevance", output) == (not calls, "irrelevance_error:decoder_success" if calls else None)
    assert judged("live_relevance", output) == (calls, None if calls else "relevance_error:decoder_failed")


@pytest.mark.parametrize(
    ("output", "error"),
    [
        ([{"f": {"x": 1}}], None),
        ([{"f": {"x": 1, "y": "b"}}], "value_error:string"),
        ([], "simple_function_checker:wrong_count"),
        ([{}], FORMAT),
        ([{"f": 1}], FORMAT),
        ([{"f": {}, "g": {}}], FORMAT),
        (["f(x=1)"], FORMAT),
        ({"f": {"x": 1}}, FORMAT),
        (None, FORMAT),
        (3.5, FORMAT),
    ],
)
def test_calls_that_were_decoded_elsewhere(output: Any, error: str | None) -> None:
    assert judged("simple_python", output, ONE) == (error is None, error)


@pytest.mark.parametrize(
    ("text", "official", "own"),
    [
        ("f(1)", "simple_function_checker:missing_required", None),
        ("f(1, 'a')", "simple_function_checker:missing_required", None),
        ("f('a', 1)", "simple_function_checker:missing_required", "type_error:simple"),
        ("f(y='a', x=1)", None, None),
        ("f(x=1, x=1)", None, FAILED),
        ("f(x=-1)", "value_error:others", "value_error:others"),
        ("f(x=+1)", "value_error:others", None),
        ("f(x=1, y=a)", None, FAILED),
        ("```\nf(x=1)\n```", None, FAILED),
        ("f(x=1", FAILED, FAILED),
    ],
)
def test_the_quirks_are_behind_the_switch(text: str, official: str | None, own: str | None) -> None:
    assert judged("simple_python", text, ONE) == (official is None, official)
    assert judged("simple_python", text, ONE, strict=False) == (own is None, own)


def test_why_a_text_is_no_call_is_kept() -> None:
    assert judge_item(item("simple", ONE), "Well: f(x=1)", strict_bfcl=False).parse_reason == "prose"
    assert judge_item(item("irrelevance"), "Sorry.").parse_reason == "syntax"
    assert judge_item(item("simple", ONE), "f(x=2)").parse_reason is None


def test_dots_as_underscores() -> None:
    one = item("multiple", ("g.h", [1]))
    assert judge_item(one, "g_h(x=1)", underscore_to_dot=True).correct
    assert not judge_item(one, "g_h(x=1)").correct


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("x"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["f", "x", "y", "z"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(output=JSON, category=st.sampled_from(["simple", "multiple", "parallel", "irrelevance", "relevance"]))
def test_no_output_raises_and_every_failure_is_typed(output: Any, category: str) -> None:
    for strict in (True, False):
        verdict = judge_item(item(category, *([] if "relevance" in category else [ONE])), output, strict)
        assert verdict.correct or verdict.error_type in CAUSES
        assert verdict.correct_exact >= verdict.correct
        json.dumps(verdict.message)
