"""Function descriptions and the reader of the leaderboard's files, good and bad."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab_lib.calls.bfcl import Expected, categories, kind_of, read_bfcl
from lab_lib.calls.schema import Parameter, read_function
from lab_lib.errors import LabError

FUNCTION: dict[str, Any] = {
    "name": "boat.hire",
    "description": "Hire a boat.",
    "parameters": {
        "type": "dict",
        "properties": {
            "seats": {"type": "integer", "description": "Number of seats."},
            "days": {"type": "array", "items": {"type": "string"}, "description": "Days of the week."},
            "crew": {"type": "dict", "properties": {"cook": {"type": "boolean"}}, "description": "Who comes along."},
        },
        "required": ["seats"],
    },
}


def test_a_description_keeps_order_types_and_what_is_required() -> None:
    function = read_function(FUNCTION, "test")
    assert (function.name, function.description, function.required) == ("boat.hire", "Hire a boat.", ("seats",))
    assert [(p.name, p.type, p.items) for p in function.parameters] == [
        ("seats", "integer", None),
        ("days", "array", "string"),
        ("crew", "dict", None),
    ]
    crew = function.parameter("crew")
    assert isinstance(crew, Parameter) and crew.raw["properties"] == {"cook": {"type": "boolean"}}
    assert function.parameter("Crew") is None and function.parameter(None) is None
    assert function == read_function(copy.deepcopy(FUNCTION), "elsewhere")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["name"], 3, "'name' is 3, expected str"),
        (["parameters"], None, "'parameters' is None, expected mapping"),
        (["parameters", "properties"], [], r"boat.hire: 'properties' is \[\], expected mapping"),
        (["parameters", "properties", "seats"], 3, "parameter seats: expected an object, found 3"),
        (["parameters", "properties", "seats", "type"], None, "parameter seats: 'type' is None, expected str"),
        (["parameters", "properties", "seats", "type"], "intger", "unknown type 'intger'; did you mean 'integer'"),
        (["parameters", "properties", "days", "items", "type"], "text", "parameter days, items: unknown type 'text'"),
        (["parameters", "required"], "seats", "'required' is 'seats', expected list"),
        (["parameters", "required"], [1], r"'required' holds \[1\], expected names"),
    ],
)
def test_a_bad_description_is_named(path: list[str], value: Any, message: str) -> None:
    raw = copy.deepcopy(FUNCTION)
    inner = raw
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(LabError, match=message):
        read_function(raw, "file: line 1")


def test_a_description_without_required_parameters_or_text_is_read() -> None:
    raw = {"name": "f", "parameters": {"properties": {"x": {"type": "tuple"}}}}
    function = read_function(raw, "test")
    assert (function.required, function.description, function.parameters[0].items) == ((), "", None)


def item(number: int, category: str = "multiple") -> dict[str, Any]:
    question = [[{"role": "user", "content": "A boat for two, please."}]]
    return {"id": f"{category}_{number}", "question": question, "function": [FUNCTION]}


def answer(number: int, category: str = "multiple") -> dict[str, Any]:
    return {"id": f"{category}_{number}", "ground_truth": [{"boat.hire": {"seats": [2], "days": [["mon"], ""]}}]}


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes items and answers of a category in the official layout and returns the folder."""

    def writer(items: list[Any], answers: list[Any] | None, category: str = "multiple") -> Path:
        for folder, rows in ((tmp_path, items), (tmp_path / "possible_answer", answers)):
            folder.mkdir(exist_ok=True)
            if rows is not None:
                text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
                (folder / f"BFCL_v4_{category}.json").write_text(text + "\n")
        return tmp_path

    return writer


def test_items_come_with_messages_functions_and_answers(write: Write) -> None:
    folder = write([item(0), item(1)], [answer(1), answer(0)])
    first, second = read_bfcl(folder, "multiple")
    assert (first.key, second.key, first.category) == ("multiple_0", "multiple_1", "multiple")
    assert first.messages == ({"role": "user", "content": "A boat for two, please."},)
    assert first.functions == (read_function(FUNCTION, "test"),)
    assert first.answers == (Expected("boat.hire", {"seats": (2,), "days": (["mon"], "")}),)


def test_irrelevance_has_no_answers(write: Write) -> None:
    folder = write([item(0, "irrelevance")], None, "irrelevance")
    assert read_bfcl(folder, "irrelevance")[0].answers == ()


def test_categories_are_listed_and_a_wrong_one_gets_the_nearest(write: Write) -> None:
    write([item(0)], [answer(0)])
    folder = write([item(0, "parallel_multiple")], [answer(0, "parallel_multiple")], "parallel_multiple")
    assert categories(folder) == ("multiple", "parallel_multiple")
    with pytest.raises(LabError, match="no category 'multple'; did you mean 'multiple'"):
        read_bfcl(folder, "multple")
    with pytest.raises(LabError, match="Java"):
        read_bfcl(folder, "simple_java")


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="expected the leaderboard's data folder"):
        read_bfcl(tmp_path, "multiple")


def test_a_category_in_two_versions_is_refused_with_both_names(write: Write) -> None:
    folder = write([item(0)], [answer(0)])
    (folder / "BFCL_v3_multiple.json").write_text(json.dumps(item(0)))
    with pytest.raises(LabError, match=r"BFCL_v3_multiple\.json and BFCL_v4_multiple\.json are one category; keep one"):
        read_bfcl(folder, "multiple")


NO_FUNCTION = {"id": "multiple_0", "question": [[]]}
OTHER = {"id": "multiple_0", "ground_truth": [{"boat.hires": {"seats": [2]}}]}
NOT_LISTS = {"id": "multiple_0", "ground_truth": [{"boat.hire": {"seats": 2}}]}
TWO_NAMES = {"id": "multiple_0", "ground_truth": [{"boat.hire": {}, "b": {}}]}


@pytest.mark.parametrize(
    ("items", "answers", "message"),
    [
        ([item(0), item(1)], [answer(0)], "line 2: no expected call for multiple_1"),
        ([item(0)], [answer(0), answer(7)], "no item for the answer multiple_7"),
        ([item(0)], None, "no such file"),
        ([NO_FUNCTION], [answer(0)], "line 1: missing or malformed field 'function'"),
        ([{**item(0), "question": []}], [answer(0)], "line 1: missing or malformed field"),
        (["[1"], [answer(0)], "line 1"),
        ([item(0)], [OTHER], "expects 'boat.hires'; did you mean 'boat.hire'"),
        ([item(0)], [NOT_LISTS], "expected a list of accepted values for each parameter of boat.hire"),
        ([item(0)], [TWO_NAMES], "line 1: expected {function: {parameter"),
        ([item(0)], [{"id": "multiple_0"}], "line 1: missing or malformed field 'ground_truth'"),
    ],
)
def test_bad_files_are_named(write: Write, items: list[Any], answers: list[Any] | None, message: str) -> None:
    folder = write(items, answers)
    with pytest.raises(LabError, match=message) as caught:
        read_bfcl(folder, "multiple")
    assert str(folder) in str(caught.value)


def test_the_category_name_says_the_rules() -> None:
    names = ["simple_python", "multiple", "live_parallel_multiple", "live_relevance", "irrelevance"]
    assert [kind_of(name) for name in names] == ["simple", "multiple", "parallel", "relevance", "irrelevance"]
