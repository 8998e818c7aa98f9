"""Reader of the Berkeley Function-Calling Leaderboard files: one JSON object a line, answers in `possible_answer/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.calls.schema import Function, read_function
from lab_lib.errors import LabError, nearest
from lab_lib.files import read_jsonl


@dataclass(frozen=True)
class Expected:
    """One expected call: for each argument the values that are accepted; "" among them means it may be left out."""

    name: str
    arguments: Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class CallItem:
    """One question: its messages ({role, content}), the functions on offer and the expected calls.

    `answers` is empty where no call is right (irrelevance) or any call is (relevance).
    """

    key: str
    category: str
    messages: tuple[Mapping[str, str], ...]
    functions: tuple[Function, ...]
    answers: tuple[Expected, ...]


def kind_of(category: str) -> str:
    """Return which rules a category is judged by: simple, multiple, parallel, irrelevance or relevance.

    >>> [kind_of(name) for name in ("simple_python", "parallel_multiple", "live_irrelevance")]
    ['simple', 'parallel', 'irrelevance']
    """
    for kind in ("irrelevance", "relevance", "parallel", "multiple"):
        if kind in category:
            return kind
    return "simple"


def categories(folder: str | Path) -> tuple[str, ...]:
    """Return the categories that a folder holds, sorted. Raises LabError if it holds none."""
    names = sorted(path.stem.split("_", 2)[2] for path in Path(folder).glob("BFCL_v*_*.json"))
    if not names:
        raise LabError(f"{folder}: no BFCL_v*_<category>.json here; expected the leaderboard's data folder")
    return tuple(names)


def read_bfcl(folder: str | Path, category: str) -> tuple[CallItem, ...]:
    """Return the items of one category, in file order.

    Reads the Python single-turn categories (simple_python, multiple, parallel, parallel_multiple, irrelevance, and
    the live_ ones). Raises LabError naming file and record for an unknown category, Java or JavaScript, items
    without answers or answers without items, a category in two versions, and malformed records.
    """
    if "java" in category:
        raise LabError(f"category '{category}': Java and JavaScript values need converters that are not here")
    if category not in categories(folder):
        raise LabError(f"{folder}: no category '{category}'{nearest(category, categories(folder))}")
    path, *others = sorted(Path(folder).glob(f"BFCL_v*[0-9]_{category}.json"))
    if others:
        names = ", ".join(file.name for file in (path, *others))
        raise LabError(f"{folder}: {len(others) + 1} versions of category '{category}': {names}; keep one of them")
    answers = {}
    if "relevance" not in category:
        answers = _answers(path.parent / "possible_answer" / path.name)
    items = tuple(_item(row, category, answers, f"{path}: line {n}") for n, row in enumerate(read_jsonl(path), 1))
    if spare := answers.keys() - {item.key for item in items}:
        raise LabError(f"{path}: no item for the answer {sorted(spare)[0]} and {len(spare) - 1} more")
    return items


def _answers(path: Path) -> dict[str, tuple[Expected, ...]]:
    """Return {item key: expected calls}."""
    answers = {}
    for number, row in enumerate(read_jsonl(path), 1):
        where = f"{path}: line {number}"
        try:
            answers[row["id"]] = tuple(_expected(entry, where) for entry in row["ground_truth"])
        except (KeyError, TypeError) as error:
            raise LabError(f"{where}: missing or malformed field {error}") from None
    return answers


def _expected(entry: Any, where: str) -> Expected:
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise LabError(f"{where}: expected {{function: {{parameter: [values]}}}}, found {entry!r:.60}")
    ((name, arguments),) = entry.items()
    if not isinstance(arguments, Mapping) or not all(isinstance(values, list) for values in arguments.values()):
        raise LabError(f"{where}: expected a list of accepted values for each parameter of {name}")
    return Expected(name, {parameter: tuple(values) for parameter, values in arguments.items()})


def _item(row: Any, category: str, answers: Mapping[str, tuple[Expected, ...]], where: str) -> CallItem:
    try:
        key, messages = row["id"], tuple(row["question"][0])
        functions = tuple(read_function(raw, where) for raw in row["function"])
    except (KeyError, TypeError, IndexError) as error:
        raise LabError(f"{where}: missing or malformed field {error}") from None
    if "relevance" in category:
        return CallItem(key, category, messages, functions, ())
    if not answers.get(key):
        raise LabError(f"{where}: no expected call for {key} in possible_answer")
    names = [function.name for function in functions]
    for expected in answers[key]:
        if expected.name not in names:
            raise LabError(f"{where}: {key} expects '{expected.name}'{nearest(expected.name, names)}")
    return CallItem(key, category, messages, functions, answers[key])
