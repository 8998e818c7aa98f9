"""All items of the leaderboard's files in LAB_DATA: accepted answers are right, and each corruption has its type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab_lib.calls.bfcl import CallItem, Expected, categories, kind_of, read_bfcl
from lab_lib.calls.call import Call, render_call
from lab_lib.calls.schema import TYPES, Function
from lab_lib.evaluation.calls import judge_item, score_calls
from lab_lib.tasks.calls_text import gold_text

pytestmark = pytest.mark.real

AST = ["simple_python", "multiple", "parallel", "parallel_multiple"]
SIZES = {"simple_python": 400, "multiple": 200, "parallel": 200, "parallel_multiple": 200, "irrelevance": 240}
PREFIX = "simple_function_checker:"
GREEDY_FAILS = ["parallel_178"]  # its first answer accepts two companies, the third one of them
NO_MATCH = "parallel_function_checker_no_order:cannot_find_match"


@pytest.fixture(scope="module")
def items(lab_data: Path) -> dict[str, tuple[CallItem, ...]]:
    return {name: read_bfcl(lab_data / "bfcl", name) for name in categories(lab_data / "bfcl")}


def accepted_value(options: Any, pick: int) -> Any:
    """An accepted value, the first (pick 0) or last (-1) that is not ""; dictionaries choose inside in turn."""
    value = [option for option in options if option != ""][pick]
    if isinstance(value, list):
        return [_filled(entry, pick) for entry in value]
    return _filled(value, pick)


def _filled(value: Any, pick: int) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: accepted_value(options, pick) for key, options in value.items() if any(o != "" for o in options)}


def function_of(item: CallItem, expected: Expected) -> Function:
    return next(function for function in item.functions if function.name == expected.name)


def accepted_calls(item: CallItem, pick: int = 0) -> list[Call]:
    """The expected calls with accepted values; what is only ever "" or not described is left out."""
    calls = []
    for expected in item.answers:
        known = function_of(item, expected)
        arguments: dict[str | None, Any] = {
            name: accepted_value(options, pick)
            for name, options in expected.arguments.items()
            if known.parameter(name) and any(option != "" for option in options)
        }
        calls.append(Call(expected.name, arguments))
    return calls


def text_of(calls: list[Call]) -> str:
    return f"[{', '.join(map(render_call, calls))}]"


def every(items: dict[str, tuple[CallItem, ...]]) -> Iterator[CallItem]:
    return (item for category in AST for item in items[category])


def test_all_items_are_read(items: dict[str, tuple[CallItem, ...]]) -> None:
    assert {name: len(found) for name, found in items.items()} == SIZES


@pytest.mark.parametrize("strict_bfcl", [True, False])
@pytest.mark.parametrize("pick", [0, -1])
def test_accepted_answers_score_100(items: dict[str, tuple[CallItem, ...]], pick: int, strict_bfcl: bool) -> None:
    flat = [item for category in (*AST, "irrelevance") for item in items[category]]
    predictions = {item.key: text_of(accepted_calls(item, pick)) for item in flat}
    assert all(predictions[item.key] == "[]" for item in items["irrelevance"])
    scores = score_calls(flat, predictions, strict_bfcl=strict_bfcl, resamples=50)
    assert [key for key, verdict in scores.per_item.items() if not verdict.correct] == []
    assert set(scores.accuracy) == {*SIZES, "overall", "non_live_ast"}
    assert set(scores.accuracy.values()) == set(scores.accuracy_exact.values()) == {100.0}
    assert set(scores.intervals.values()) == {(100.0, 100.0)}


def test_dots_as_underscores(items: dict[str, tuple[CallItem, ...]]) -> None:
    for item in every(items):
        calls = [Call(call.name.replace(".", "_"), call.arguments) for call in accepted_calls(item)]
        dotted = any("." in call.name for call in accepted_calls(item))
        assert judge_item(item, text_of(calls), underscore_to_dot=True).correct
        assert judge_item(item, text_of(calls)).correct is not dotted


def test_the_order_of_arguments_and_of_parallel_calls_does_not_matter(items: dict[str, tuple[CallItem, ...]]) -> None:
    """To the best assignment, that is: the leaderboard's greedy one fails on these items in reverse order."""
    greedy_fails = []
    for item in every(items):
        calls = [Call(call.name, dict(list(call.arguments.items())[::-1])) for call in accepted_calls(item)]
        verdict = judge_item(item, text_of(calls[::-1]))
        assert verdict.correct_exact, item.key
        assert judge_item(item, text_of(calls[::-1]), strict_bfcl=False).correct, item.key
        if not verdict.correct:
            greedy_fails.append(item.key)
    assert greedy_fails == GREEDY_FAILS


def test_positional_arguments_count_by_our_own_rules_only(items: dict[str, tuple[CallItem, ...]]) -> None:
    for item in every(items):
        known = [function_of(item, expected) for expected in item.answers]
        calls = [positional(call, function) for call, function in zip(accepted_calls(item), known, strict=True)]
        assert judge_item(item, text_of(calls), strict_bfcl=False).correct, item.key
        if calls[0].positional and known[0].parameters[0].name in known[0].required:
            assert not judge_item(item, text_of(calls)).correct, item.key


def positional(call: Call, function: Function) -> Call:
    """The call with as many leading parameters as it has given by position."""
    leading = []
    for parameter in function.parameters:
        if parameter.name not in call.arguments:
            break
        leading.append(parameter.name)
    rest = {name: value for name, value in call.arguments.items() if name not in leading}
    return Call(call.name, rest, tuple(call.arguments[name] for name in leading))


Corrupt = Callable[[Call, Function], Call | None]


def without_required(call: Call, function: Function) -> Call | None:
    if not function.required:
        return None
    return Call(call.name, {name: value for name, value in call.arguments.items() if name != function.required[-1]})


def with_extra(call: Call, function: Function) -> Call:
    return Call(call.name, {**call.arguments, "never_heard_of": 1})


def with_other_name(call: Call, function: Function) -> Call:
    return Call(call.name + "_2", call.arguments)


def with_none(call: Call, function: Function) -> Call | None:
    """None is of no type a description has."""
    return Call(call.name, {**call.arguments, next(iter(call.arguments)): None}) if call.arguments else None


def with_other_value(call: Call, function: Function) -> Call | None:
    """The first argument with another value of its own type."""
    if not call.arguments:
        return None
    name, value = next(iter(call.arguments.items()))
    other: dict[type, Any] = {str: "zz other zz", int: 987654, float: 98765.4, bool: None, list: None, dict: {"zz": 1}}
    changed = other[type(value)]
    if type(value) is bool:
        changed = not value
    if type(value) is list:
        changed = value + value[:1]
    return Call(call.name, {**call.arguments, name: changed})


VALUE_ERRORS = {
    str: {"value_error:string", "value_error:others"},  # the latter for a text that stands for a variable
    int: {"value_error:others"},
    float: {"value_error:others"},
    bool: {"value_error:others"},
    list: {"value_error:list/tuple", "value_error:list_dict_count"},
    dict: {"value_error:dict_key"},
}


@pytest.mark.parametrize(
    ("corrupt", "error"),
    [
        (without_required, PREFIX + "missing_required"),
        (with_extra, PREFIX + "unexpected_param"),
        (with_other_name, PREFIX + "wrong_func_name"),
        (with_none, "type_error:simple"),
        (with_other_value, ""),
    ],
)
@pytest.mark.parametrize("strict_bfcl", [True, False])
def test_each_corruption_of_one_call_has_its_type(
    items: dict[str, tuple[CallItem, ...]], corrupt: Corrupt, error: str, strict_bfcl: bool
) -> None:
    tried = 0
    for item in every(items):
        calls = accepted_calls(item)
        changed = corrupt(calls[-1], function_of(item, item.answers[-1]))
        if changed is None or both_values_are_accepted(item, calls[-1], changed):
            continue
        tried += 1
        verdict = judge_item(item, text_of([*calls[:-1], changed]), strict_bfcl)
        wanted = {error} if error else VALUE_ERRORS[type(next(iter(calls[-1].arguments.values())))]
        wanted = {NO_MATCH} if kind_of(item.category) == "parallel" else wanted
        assert verdict.error_type in wanted, (item.key, verdict)
        assert not verdict.correct and not verdict.correct_exact and verdict.message
    # Every item but the few that have no required argument, no argument at all, or a truth value of either kind.
    assert tried > 960


def both_values_are_accepted(item: CallItem, call: Call, changed: Call) -> bool:
    """Whether a changed truth value is accepted as well."""
    return any(
        changed.arguments.get(name) in [option for option in options if type(option) is bool]
        for name, options in item.answers[-1].arguments.items()
        if type(call.arguments.get(name)) is bool and changed.arguments.get(name) is not call.arguments[name]
    )


def test_a_wrong_number_of_calls_has_its_type(items: dict[str, tuple[CallItem, ...]]) -> None:
    for item in every(items):
        kind = kind_of(item.category)
        name = "parallel_function_checker_no_order" if kind == "parallel" else f"{kind}_function_checker"
        calls = accepted_calls(item)
        for text in (text_of([*calls, calls[0]]), text_of(calls[:-1])):
            assert judge_item(item, text).error_type == f"{name}:wrong_count", item.key


def test_text_around_the_calls_has_its_type(items: dict[str, tuple[CallItem, ...]]) -> None:
    for item in every(items):
        text = text_of(accepted_calls(item))
        for around in (f"```python\n{text}\n```", f"Here you are: {text}", f"{text} Anything else?", text[:-2]):
            for strict_bfcl in (True, False):
                assert judge_item(item, around, strict_bfcl).error_type == "ast_decoder:decoder_failed", around


def test_any_call_is_wrong_for_irrelevance(items: dict[str, tuple[CallItem, ...]]) -> None:
    for item in items["irrelevance"]:
        assert judge_item(item, "").correct and judge_item(item, "I cannot do that.").correct
        verdict = judge_item(item, f"{item.functions[0].name}(x=1)")
        assert verdict.error_type == "irrelevance_error:decoder_success"


def test_the_descriptions_have_the_types_of_the_table(items: dict[str, tuple[CallItem, ...]]) -> None:
    found = {
        parameter.type for item in every(items) for function in item.functions for parameter in function.parameters
    }
    assert found == set(TYPES)


def test_the_gold_calls_of_the_task_are_right_by_both_rules(items: dict[str, tuple[CallItem, ...]]) -> None:
    flat = [item for found in items.values() for item in found]
    for strict_bfcl in (True, False):
        scores = score_calls(flat, {item.key: gold_text(item) for item in flat}, strict_bfcl, resamples=0)
        assert [key for key, verdict in scores.per_item.items() if not verdict.correct] == []
