"""Read the files of the Berkeley Function-Calling Leaderboard: one JSON object per line, answers in
`possible_answer/`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from lab_lib.calls.schema import Function, read_function
from lab_lib.errors import LabError, nearest, shown
from lab_lib.files import listed, read_jsonl
from lab_lib.ids import by_key, id_key, require_distinct
from lab_lib.texts import is_blank

NAMES = "BFCL_v*_*.json"  # the names of category files
ROLES = ("system", "user")  # roles of messages that a prompt contains


@dataclass(frozen=True)
class Expected:
    """One expected call: the accepted values of each argument; "" among them means that it may be omitted."""

    name: str
    arguments: Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class CallItem:
    """One question: its messages ({role, content}), the functions on offer and the expected calls.

    `answers` is empty if no call is right (irrelevance) or any call is right (relevance). `left_out` lists the parts of
    the question that prompts omit, one reason each.
    """

    key: str
    category: str
    messages: tuple[Mapping[str, str], ...]
    functions: tuple[Function, ...]
    answers: tuple[Expected, ...]
    left_out: tuple[str, ...] = ()


def kind_of(category: str) -> str:
    """Return the kind of rules that judge a category: simple, multiple, parallel, irrelevance or relevance.

    >>> [kind_of(name) for name in ("simple_python", "parallel_multiple", "live_irrelevance")]
    ['simple', 'parallel', 'irrelevance']
    """
    for kind in ("irrelevance", "relevance", "parallel", "multiple"):
        if kind in category:
            return kind
    return "simple"


def categories(folder: str | Path) -> tuple[str, ...]:
    """Return the categories that a folder holds, sorted. Raises LabError if it holds none."""
    return tuple(sorted(_files(folder)))


def _files(folder: str | Path) -> dict[str, Path]:
    """Return {category: file}. Raises LabError for none, and for two versions of a category, naming both files."""
    files: dict[str, Path] = {}
    for path in listed(folder, NAMES):
        category = path.stem.split("_", 2)[2]
        if category in files:
            raise LabError(f"{folder}: {files[category].name} and {path.name} are one category; keep one of the two")
        files[category] = path
    if not files:
        raise LabError(f"{folder}: no BFCL_v*_<category>.json here; expected the leaderboard's data folder")
    return files


def read_bfcl(folder: str | Path, category: str) -> tuple[CallItem, ...]:
    """Return the items of one category, in file order.

    Reads the Python single-turn categories (simple_python, multiple, parallel, parallel_multiple, irrelevance, and
    the live_ ones). Raises LabError naming file and record for an unknown category, Java or JavaScript, items
    without answers or answers without items, a category in two versions, and malformed records.
    """
    if "java" in category:
        raise LabError(f"category '{category}': Java and JavaScript values are not supported")
    files = _files(folder)
    if category not in files:
        raise LabError(f"{folder}: no category '{category}'{nearest(category, files)}")
    path = files[category]
    answers = {}
    if "relevance" not in category:
        answers = _answers(path.parent / "possible_answer" / path.name)
    items = tuple(_item(row, category, answers, f"{path}: line {n}") for n, row in enumerate(read_jsonl(path), 1))
    require_distinct([item.key for item in items], str(path))
    if spare := answers.keys() - {id_key(item.key) for item in items}:
        raise LabError(f"{path}: no item for the answer {sorted(spare)[0]} and {len(spare) - 1} more")
    return items


def _answers(path: Path) -> dict[str, tuple[Expected, ...]]:
    """Return {item key, as `id_key` spells it: expected calls}."""
    answers: dict[str, tuple[Expected, ...]] = {}
    for number, row in enumerate(read_jsonl(path), 1):
        where = f"{path}: line {number}"
        key, truth = _field(row, "id", str, where), _field(row, "ground_truth", list, where)
        if key in answers:
            raise LabError(f"{where}: the answer {key} occurs twice")
        answers[key] = tuple(_expected(entry, where) for entry in truth)
    return by_key(answers, str(path))


def _field(row: Any, name: str, kind: type, where: str) -> Any:
    """Return a field of a record. Raises LabError if it is missing or of another kind."""
    if not isinstance(row, dict) or not isinstance(row.get(name), kind):
        found = row.get(name) if isinstance(row, dict) else row
        raise LabError(f"{where}: missing or malformed field '{name}': expected {kind.__name__}, found {shown(found)}")
    return row[name]


def _expected(entry: Any, where: str) -> Expected:
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise LabError(f"{where}: expected {{function: {{parameter: [values]}}}}, found {shown(entry)}")
    ((name, arguments),) = entry.items()
    if not isinstance(arguments, Mapping) or not all(isinstance(values, list) for values in arguments.values()):
        raise LabError(f"{where}: expected a list of accepted values for each parameter of {name}")
    return Expected(name, {parameter: tuple(values) for parameter, values in arguments.items()})


def _item(row: Any, category: str, answers: Mapping[str, tuple[Expected, ...]], where: str) -> CallItem:
    key, question = _field(row, "id", str, where), _field(row, "question", list, where)
    messages = _messages(question, where)
    left_out = _left_out(question)
    functions = tuple(read_function(raw, where) for raw in _field(row, "function", list, where))
    if "relevance" in category:
        return CallItem(key, category, messages, functions, (), left_out)
    expected_calls = answers.get(id_key(key), ())
    if not expected_calls:
        raise LabError(f"{where}: no expected call for {key} in possible_answer")
    names = [function.name for function in functions]
    for expected in expected_calls:
        if expected.name not in names:
            raise LabError(f"{where}: {key} expects '{expected.name}'{nearest(expected.name, names)}")
    return CallItem(key, category, messages, functions, expected_calls, left_out)


def _messages(question: list[Any], where: str) -> tuple[Mapping[str, str], ...]:
    """Return the messages of a question's first turn. Raises LabError for another form and for empty messages."""
    if not question or not isinstance(question[0], list):
        found = shown(question)
        raise LabError(f"{where}: missing or malformed field 'question': expected lists of messages, found {found}")
    for number, message in enumerate(question[0]):
        texts = [message.get(name) for name in ("role", "content")] if isinstance(message, dict) else [None]
        if not all(isinstance(text, str) and not is_blank(text) for text in texts):
            found = shown(message)
            raise LabError(f"{where}, message {number}: expected 'role' and 'content' with words, found {found}")
    return tuple(question[0])


def _left_out(question: Sequence[Any]) -> tuple[str, ...]:
    """Return the unused parts of a question: later turns, and messages of other roles."""
    later = [f"question: only the first of {len(question)} turns is read"] if len(question) > 1 else []
    roles = Counter(str(message["role"]) for message in question[0] if message["role"] not in ROLES)
    return (*later, *(f"messages: {count} of role '{role}' are not shown" for role, count in roles.items()))


def unread_files(folder: str | Path) -> list[str]:
    """Return the names of a data folder's JSON files that do not name a category."""
    named = (path.name for path in listed(folder) if path.name.removesuffix(".gz").endswith((".json", ".jsonl")))
    return [name for name in named if not fnmatch(name, NAMES)]
