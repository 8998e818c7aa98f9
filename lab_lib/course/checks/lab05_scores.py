"""Checks of the scores of lab 05: joint accuracy, slot precision and recall, matching calls, carried errors."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab_lib.calls.bfcl import CallItem, Expected
from lab_lib.calls.call import Call, render_call
from lab_lib.calls.schema import Function, Parameter
from lab_lib.course.checks.core import Wrong, brief, call, close, equal, near, refuses, same
from lab_lib.evaluation.calls import judge_item
from lab_lib.evaluation.state_tracking import score_states as right_scores

State = dict[str, dict[str, str]]
Pairs = Sequence[tuple[str, Mapping[str, str]]]


def built(calls: Pairs) -> list[Call]:
    """Return (function, arguments) as calls."""
    return [Call(name, dict[str | None, Any](list(arguments.items()))) for name, arguments in calls]


def joint_accuracy(answer: Any) -> None:
    one, two = {"hotel": {"area": "north", "stars": "4"}}, {"hotel": {"area": "north"}}
    both = {**one, "taxi": {"leaveat": "10:00"}}
    cases: list[tuple[list[State], list[State], float, str]] = [
        ([two, one], [one, one], 0.5, "A state with one slot missing is wrong as a whole"),
        ([one, two], [two, two], 0.5, "A state with one slot too many is wrong too"),
        ([one], [both], 0.0, "All services count, not only the one the turn is about"),
        ([{}, {}], [{}, {}], 1.0, "Two empty states are the same"),
        ([{"hotel": {}}], [{}], 1.0, "A service without slots counts as absent"),
        ([{"hotel": {"area": "dontcare"}}], [{}], 1.0, "The value dontcare counts as no value on either side"),
        ([{"hotel": {"area": "none", "stars": ""}}], [{}], 1.0, "Both none and the empty text count as no value"),
        ([{"hotel": {"area": "North "}}], [two], 1.0, "Case and outer spaces make no difference"),
        ([{"hotel": {"people": "two"}}], [{"hotel": {"people": "2"}}], 1.0, "Variants of a value are the same"),
        ([{"hotel": {"people": "2"}}], [{"hotel": {"people": "Two"}}], 1.0, "Variants may stand on both sides"),
        ([{"hotel": {"area": "east"}}], [two], 0.0, "Another value is wrong"),
        ([{"taxi": {"area": "north"}}], [two], 0.0, "The same slot of another service is another slot"),
    ]
    variants = {"two": "2", "guest house": "guesthouse"}
    for predicted, gold, expected, why in cases:
        given = f"predicted={predicted}, gold={gold}, variants={variants}"
        got = call(answer, copy.deepcopy(predicted), copy.deepcopy(gold), variants, given=given)
        if isinstance(got, bool) or (expected and near(got, 100 * expected)):
            raise Wrong(f"for {given}: got {brief(got)}; expected a share between 0 and 1")
        close(got, expected, given=given, tolerance=1e-9, why=why)
    refuses(answer, [one], [one, one], variants, given="one predicted state for two turns: zip would lose a turn")
    refuses(answer, [], [], variants, given="no turn at all")


def slot_scores(answer: Any) -> None:
    four = {"hotel": {"area": "north", "stars": "4", "type": "inn", "parking": "yes"}}
    cases: list[tuple[list[State], list[State], str]] = [
        ([four], [four], "Everything is right"),
        ([{"hotel": {"area": "north"}}], [four], "All predicted slots are right, but most slots are missing"),
        ([four], [{"hotel": {"area": "north"}}], "Extra slots lower precision"),
        ([{"hotel": {"area": "east"}}], [{"hotel": {"area": "north"}}], "A wrong value is not a hit for either one"),
        ([four, {"taxi": {"leaveat": "9"}}], [four, {"taxi": {"leaveat": "8"}}], "Count over all turns, then divide"),
        ([{"taxi": {"area": "north"}}], [{"hotel": {"area": "north"}}], "Slots belong to their service"),
        ([{}], [four], "Nothing predicted: precision counts as 0"),
        ([{}], [{}], "No slots at all: all three count as 0"),
    ]
    for predicted, gold, why in cases:
        given = f"predicted={predicted}, gold={gold}"
        got = call(answer, copy.deepcopy(predicted), copy.deepcopy(gold), given=given)
        right = right_scores([(predicted, gold)])
        # Rounded, as the published scorer adds 1e-10 to each denominator.
        expected = tuple(round(x, 6) for x in (right.slot_precision, right.slot_recall, right.slot_f1 / 100))
        if (
            isinstance(got, tuple | list)
            and len(got) == 3
            and not same(*got[:2])
            and near(got[1::-1], expected[:2], 2e-6)
        ):
            raise Wrong(f"for {given}: precision and recall are swapped")
        close(got, expected, given=given, tolerance=2e-6, why=why)


def match(answer: Any) -> None:
    north, south = ("find_hotel", {"area": "north"}), ("find_hotel", {"area": "south"})
    taxi = ("find_taxi", {"leaveat": "10:00"})
    want_north, want_taxi = ("find_hotel", {"area": ["north", "centre"]}), ("find_taxi", {"leaveat": ["10:00"]})
    either = ("find_hotel", {"area": ["north", "south"]})
    cases: list[tuple[list[Any], list[Any], str]] = [
        ([north], [want_north], "A value that is accepted"),
        ([south], [want_north], "A value that is not accepted"),
        ([("find_hotel", {"area": "centre"})], [want_north], "Every accepted value counts"),
        ([("find_inn", {"area": "north"})], [want_north], "The function must be the same"),
        ([("find_hotel", {"area": "north", "stars": "4"})], [want_north], "An argument too many"),
        ([("find_hotel", {})], [want_north], "An argument too few"),
        ([taxi, north], [want_north, want_taxi], "The order of the calls makes no difference"),
        ([north, taxi, taxi], [want_north, want_taxi], "A call too many"),
        ([north], [want_north, want_taxi], "A call too few"),
        ([north, north], [want_north, want_taxi], "One call cannot match two expected ones: each one needs its own"),
        ([north, taxi], [want_north, want_north], "Each expected call needs a call of its own"),
        ([north, south], [either, want_north], "The first that fits need not be the right partner: try all pairings"),
        ([], [], "No call is expected and none was made"),
        ([north], [], "No call is expected"),
    ]
    for calls, expected, why in cases:
        given = f"calls={calls}, expected={expected}"
        got = call(answer, copy.deepcopy(calls), copy.deepcopy(expected), given=given)
        if not isinstance(got, bool | np.bool_):
            none = "; does your function return its result?" if got is None else ""
            raise Wrong(f"for {given}: got {brief(got)}, expected True or False{none}")
        equal(got, judged(calls, expected), given=given, why=why)


def judged(calls: Pairs, expected: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
    """Return the verdict of the library's AST match in the lab syntax."""
    names = {name: set(arguments) for name, arguments in [*calls, *expected]}
    functions = [
        Function(name, "", tuple(Parameter(n, "string", None, "", {}) for n in ("area", "leaveat", "stars")), ())
        for name in names
    ]
    answers = tuple(Expected(name, {n: tuple(values) for n, values in wanted.items()}) for name, wanted in expected)
    item = CallItem("", "parallel", (), tuple(functions), answers)
    return judge_item(item, f"[{', '.join(map(render_call, built(calls)))}]", strict_bfcl=False).correct


def _pairs(value: Any) -> Any:
    """Return a list of lists or tuples as a list of tuples, everything else as it is."""
    if not isinstance(value, list | tuple):
        return value
    return [tuple(pair) if isinstance(pair, list) else pair for pair in value]


def new_and_carried(answer: Any) -> None:
    gold: list[State] = [{"hotel": {"area": "north"}}, {"hotel": {"area": "north", "stars": "4"}}]
    wrong = {"hotel": {"area": "east"}}
    cases: list[tuple[list[State], list[State], list[tuple[int, int]], str]] = [
        (gold, gold, [(0, 0), (0, 0)], "No slot is wrong"),
        ([wrong, gold[1]], gold, [(1, 0), (0, 0)], "A corrected error is not carried on"),
        ([wrong, {"hotel": {"area": "east", "stars": "4"}}], gold, [(1, 0), (0, 1)], "A slot that stays wrong"),
        ([wrong, {"hotel": {"area": "west", "stars": "4"}}], gold, [(1, 0), (0, 1)],
         "Wrong again with another value: it is still the same slot"),
        ([wrong, wrong], gold, [(1, 0), (1, 1)], "One new error beside a carried one"),
        ([{}, {}], gold, [(1, 0), (1, 1)], "A slot that is missing is wrong"),
        ([{}, {"taxi": {"area": "north"}}], [{}, {}], [(0, 0), (1, 0)], "A slot too many is wrong"),
        ([wrong, gold[1], wrong], [*gold, gold[0]], [(1, 0), (0, 0), (1, 0)], "After a correct turn an error is new"),
    ]  # fmt: skip
    for predicted, truth, expected, why in cases:
        given = f"predicted={predicted}, gold={truth}"
        got = call(answer, copy.deepcopy(predicted), copy.deepcopy(truth), given=given)
        equal(_pairs(got), expected, given=given, why=why)
