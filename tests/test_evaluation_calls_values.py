"""One call against one expected call: every clause of types and values, by hand, with its error type."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lab_lib.calls.bfcl import Expected
from lab_lib.calls.call import Call
from lab_lib.calls.schema import Function, Parameter, read_function
from lab_lib.evaluation.calls_match import match_call
from lab_lib.evaluation.calls_values import mismatch, standardise


def parameter(kind: str) -> Parameter:
    """A parameter named p of a type, written `array:integer` for an array of integers."""
    name, _, items = kind.partition(":")
    return Parameter("p", name, items or None, "", {})


def error(kind: str, value: Any, *accepted: Any) -> str | None:
    wrong = mismatch(value, accepted, parameter(kind))
    assert wrong is None or wrong[1]
    return wrong and wrong[0]


SIMPLE, NESTED = "type_error:simple", "type_error:nested"
STRING, OTHERS, LIST = "value_error:string", "value_error:others", "value_error:list/tuple"
KEY, VALUE, COUNT = "value_error:dict_key", "value_error:dict_value", "value_error:list_dict_count"


@pytest.mark.parametrize(
    ("kind", "value", "accepted", "expected"),
    [
        # exact Python types: a truth value is no integer, 5.0 neither; the one coercion is integer to float
        ("integer", 5, [5], None),
        ("integer", 5, [6], OTHERS),
        ("integer", 5.0, [5], SIMPLE),
        ("integer", True, [1], SIMPLE),
        ("integer", "5", [5], SIMPLE),
        ("integer", None, [5], SIMPLE),
        ("float", 5.0, [5.0], None),
        ("float", 5, [5.0], None),
        ("float", True, [1.0], SIMPLE),
        ("float", 2**1100, [5.0], SIMPLE),
        ("boolean", True, [True], None),
        ("boolean", 1, [True], SIMPLE),
        ("boolean", "true", [True], SIMPLE),
        ("boolean", False, [True], OTHERS),
        ("string", 5, ["5"], SIMPLE),
        ("any", "five", ["five"], None),
        ("any", 5, ["five"], SIMPLE),
        ("array", (1,), [[1]], SIMPLE),
        ("tuple", (1,), [[1]], None),
        ("tuple", [1], [[1]], None),
        ("dict", [], [{}], SIMPLE),
        # a value of the type of the first accepted value that is not "" is a variable: plain membership
        ("any", 5, [5], None),
        ("any", 6, [5], OTHERS),
        ("float", 0, [0], None),
        ("float", 1, [0], OTHERS),
        ("array:float", "data['x']", ["data['x']"], None),
        ("array:float", "Data['x']", ["data['x']"], OTHERS),
        ("string", True, ["", True], None),
        ("string", "New York", ["", True], OTHERS),
        ("integer", "n", ["", "n"], None),
        ("integer", "", [""], SIMPLE),
        ("string", 1, ["a", 1], SIMPLE),
        # texts
        ("string", "New York", ["new york"], None),
        ("string", "New-York.", ["new york"], None),
        ("string", "New York City", ["new york"], STRING),
        ("string", "1.5", ["15"], None),
        ("string", "10-20", ["1020"], None),
        ("string", "6:30", ["630"], STRING),
        ("string", 'the "old" inn', ["the 'old' inn"], None),
        ("string", "", ["a", ""], None),
        ("string", " ", ["a", ""], None),
        ("string", "", ["a"], STRING),
        # arrays and tuples of a type: some accepted value must fit in type, then in value
        ("array:integer", [1, 2], [[1, 2]], None),
        ("array:integer", [2, 1], [[1, 2]], LIST),
        ("array:integer", [1, 2.0], [[1, 2]], NESTED),
        ("array:integer", [1, True], [[1, 2]], NESTED),
        ("array:float", [1, 2], [[1.0, 2.0]], NESTED),
        ("array:float", [1, 2], [[1, 2]], None),
        ("array:string", ["A b"], [["a-B"]], None),
        ("array:string", ["A b", "c"], [["a-B"]], LIST),
        ("array:string", [], [["a"], ""], None),
        ("array:string", [], [["a"]], LIST),
        ("array:string", [1], ["", ["a"]], LIST),
        ("array:string", [1], [["a"], ""], LIST),
        ("array:string", [1], [["a"]], NESTED),
        ("array:array", [["A b"]], [[["A b"]]], None),
        ("array:array", [["A b"]], [[["a b"]]], LIST),
        ("array", [1, "A"], [[1, "a"]], None),
        ("array:integer", [1], [], SIMPLE),
        ("tuple:float", (1.5, 2.5), [[1.5, 2.5]], None),
        ("tuple:float", ("a",), [[1.5, 2.5]], NESTED),
        # dictionaries: keys and values, "" among the values makes a key optional
        ("dict", {"a": 1}, [{"a": [1]}], None),
        ("dict", {"a": 1.0}, [{"a": [1]}], None),
        ("dict", {"a": "X-y"}, [{"a": ["x Y"]}], None),
        ("dict", {"a": ["X-y"]}, [{"a": [["x Y"]]}], VALUE),
        ("dict", {"a": 2}, [{"a": [1]}], VALUE),
        ("dict", {"a": 1, "b": 2}, [{"a": [1]}], KEY),
        ("dict", {}, [{"a": [1]}], KEY),
        ("dict", {"b": 2}, [{"a": [1, ""], "b": [2]}], None),
        ("dict", {"b": 3}, [{"a": [1], "b": [2]}], KEY),
        ("dict", {"a": 2}, [{"a": [1]}, {"a": [2]}], None),
        ("dict", {"a": 3}, [{"b": [1]}, "", {"a": [2]}], VALUE),
        ("dict", {"a": 3}, [""], "dict_checker:unclear"),
        ("dict", {"a": 3}, [{"a": 3}], None),
        # lists of dictionaries: as many, pairwise in order
        ("array:dict", [{"a": 1}, {"a": 2}], [[{"a": [1]}, {"a": [2]}]], None),
        ("array:dict", [{"a": 2}, {"a": 1}], [[{"a": [1]}, {"a": [2]}]], VALUE),
        ("array:dict", [{"a": 1}], [[{"a": [1]}, {"a": [2]}]], COUNT),
        ("array:dict", [{"b": 1}], [[{"a": [1]}]], KEY),
        ("array:dict", [{"a": 2}], [[{"a": [1]}], [{"a": [2]}]], None),
        ("array:dict", [{"a": 2}], [[{"a": [1]}], ""], COUNT),
        ("array:dict", [], [[{"a": [1]}], ""], None),
        ("array:dict", [1], [[{"a": [1]}]], NESTED),
        ("array:dict", [1], ["", [{"a": [1]}]], NESTED),
        ("array:dict", [{"a": 1}], [["x"], [{"a": [1]}]], None),
        ("array:dict", [""], ["", [""]], "dict_checker:unclear"),
    ],
)
def test_types_and_values(kind: str, value: Any, accepted: list[Any], expected: str | None) -> None:
    assert error(kind, value, *accepted) == expected


def test_texts_are_compared_without_these_characters() -> None:
    assert standardise(" ,./-_*^") == ""
    assert standardise("Aé:'") == 'aé:"'
    assert standardise("a\tb\n(c)") == "a\tb\n(c)"


def test_long_texts_are_shown_where_they_differ() -> None:
    found = mismatch("a word " * 30 + "north", ["a word " * 30 + "south"], parameter("string"))
    assert found is not None and re.fullmatch(r"\w+='….+north' is not one of \['….+south'\]", found[1])


def test_a_value_too_large_to_print_is_wrong_and_no_more() -> None:
    assert error("string", 10**5000, "a") == SIMPLE


def function(*required: str) -> Function:
    properties = {name: {"type": "integer", "description": ""} for name in "abc"}
    raw = {"name": "m.f", "description": "", "parameters": {"properties": properties, "required": list(required)}}
    return read_function(raw, "test")


def wrong(call: Call, expected: dict[str, Any], dots: bool = False, required: str = "a") -> str | None:
    found = match_call(call, Expected("m.f", expected), function(*required), dots)
    return found and found[0].removeprefix("simple_function_checker:")


@pytest.mark.parametrize(
    ("arguments", "expected", "error_type"),
    [
        ({"a": 1}, {"a": (1,)}, None),
        ({"b": 2, "a": 1}, {"a": (1,), "b": (2,)}, None),
        ({"a": 1}, {"a": (1,), "b": (2, "")}, None),
        ({"a": 1}, {"a": (1,), "b": (2,)}, "missing_optional"),
        ({}, {"a": (1, "")}, "missing_required"),
        ({"b": 9}, {"a": (1,), "b": (2,)}, "missing_required"),
        ({"a": 1, "c": 3}, {"a": (1,)}, "unexpected_param"),
        ({"a": 1, "d": 3}, {"a": (1,), "d": (3,)}, "unexpected_param"),
        ({"a": 1, None: {}}, {"a": (1,)}, "unexpected_param"),
        ({"a": 9, "d": 3}, {"a": (1,)}, "value_error:others"),
        ({"d": 3, "a": 9}, {"a": (1,)}, "unexpected_param"),
        ({"a": "1"}, {"a": (1,), "b": (2,)}, "type_error:simple"),
    ],
)
def test_the_order_of_the_checks(arguments: Any, expected: dict[str, Any], error_type: str | None) -> None:
    assert wrong(Call("m.f", arguments), expected) == error_type


def test_the_name_is_checked_first_and_exactly() -> None:
    assert wrong(Call("f", {}), {"a": (1,)}) == "wrong_func_name"
    assert wrong(Call("M.f", {"a": 1}), {"a": (1,)}) == "wrong_func_name"
    assert wrong(Call("m_f", {"a": 1}), {"a": (1,)}) == "wrong_func_name"


def test_dots_of_the_expected_name_may_become_underscores() -> None:
    assert wrong(Call("m_f", {"a": 1}), {"a": (1,)}, dots=True) is None
    assert wrong(Call("m.f", {"a": 1}), {"a": (1,)}, dots=True) == "wrong_func_name"


def test_dropped_positional_arguments_are_mentioned() -> None:
    for required, name in (("a", "missing_required"), ("", "missing_optional")):
        found = match_call(Call("m.f", {}, (), 2), Expected("m.f", {"a": (1,)}), function(*required))
        assert found is not None and found[0].endswith(name) and "positional arguments not read: 2" in found[1]
