"""Parse JSON strictly where Python's own parser accepts errors silently or fails.

Python keeps the last of several values with one key. It accepts half a surrogate pair, which files, terminals and
tokenizers refuse later. It fails at numbers of thousands of digits and at deep nesting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from lab_lib.errors import shown

MAX_DIGITS = 300  # digits of a number, as in YAML: any such number fits into a float
LONG_NUMBER = re.compile(rf"[0-9]{{{MAX_DIGITS + 1}}}")
# One escape at a time, so that `\\ud800` is a backslash and letters: a pair, half of a pair (the group), any other.
ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[][{},:]|[^][{},:"\s]+', re.DOTALL)
# Keys that identify a record, and keys that identify a turn of a dialogue.
IDS = {"dialogue_id": "dialogue", "dialogue": "dialogue", "id": "id"}
STEPS = 6  # steps of the path in an error message
TURN = frozenset(("response", "utterance", "speaker", "text"))


class JsonError(ValueError):
    """Text that is not valid JSON here: a one-line message, and the position of the error in characters."""

    def __init__(self, message: str, position: int = 0) -> None:
        self.position = position
        super().__init__(message)


def parse_json(text: str, **hooks: Any) -> Any:
    """Return the value of a JSON text; `hooks` are further ones of `json.loads`.

    Raises JsonError for invalid JSON, a repeated key of an object, half of a surrogate pair, a number of more than 300
    digits, a byte order mark and too deep nesting; if possible, it names the dialogue and the turn.
    """
    if text.startswith("\ufeff"):
        raise JsonError("the file begins with a byte order mark (BOM); save it as UTF-8 without BOM")
    if LONG_NUMBER.search(text):
        _check_numbers(text)
    try:
        value = json.loads(text, object_pairs_hook=_once, **hooks)
    except json.JSONDecodeError as error:
        raise JsonError(error.msg, error.pos) from None
    except RecursionError:
        raise JsonError("JSON nested too deeply") from None
    except _Twice:
        position, path = next((at, path) for at, path, twice in _strings(text) if twice)
        key, where = shown(path[-1]), _place(text, path[:-1])
        raise JsonError(f"{where}the key {key} occurs twice", position) from None
    if (half := _half_pair(text)) is not None:
        *_, (_, path, _) = takewhile(lambda string: string[0] <= half, _strings(text))
        raise JsonError(f"{_place(text, path)}half of a surrogate pair, which is not a character", half)
    return value


def line_and_column(text: str, position: int) -> tuple[int, int]:
    """Return line and column of a character of a text, both counted from 1.

    >>> line_and_column("ab\\ncd", 4)
    (2, 2)
    """
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)


class _Twice(ValueError):
    """An object has a key twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice
    return found


def _check_numbers(text: str) -> None:
    """Raise JsonError for a number with too many digits; texts may contain any."""
    for token in TOKEN.finditer(text):
        sign = token[0]
        if sign[0] in "-0123456789" and LONG_NUMBER.search(sign):
            kind = "whole number" if sign.lstrip("-").isdigit() else "number"
            digits = sum(map(str.isdigit, sign))
            raise JsonError(f"a {kind} of {digits} digits, at most {MAX_DIGITS} are read", token.start())


def _half_pair(text: str) -> int | None:
    """Return the position of half of a surrogate pair, escaped or not; None without one."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return error.start
    if "\\ud" not in text and "\\uD" not in text:
        return None
    return next((escape.start() for escape in ESCAPE.finditer(text) if escape[1]), None)


Path = tuple[str | int, ...]  # to a value: the keys and places in lists that lead to it


def _strings(text: str) -> Iterator[tuple[int, Path, bool]]:
    """Yield (position, path, whether it is a key that its object has already) of every string of valid JSON.

    The path to a key is that of its value.
    """
    path: list[str | int] = []
    keys: list[set[str] | None] = []  # of the open objects; None for a list
    before = ""
    for token in TOKEN.finditer(text):
        sign, twice = token[0], False
        if sign in "{[":
            keys.append(set() if sign == "{" else None)
            path.append("" if sign == "{" else 0)
        elif sign in "}]":
            keys.pop()
            path.pop()
        elif sign == "," and keys[-1] is None:
            path[-1] = int(path[-1]) + 1
        elif sign[0] == '"':
            if keys and keys[-1] is not None and before in "{,":
                path[-1] = key = json.loads(sign)
                twice = key in keys[-1]
                keys[-1].add(key)
            yield token.start(), tuple(path), twice
        before = sign


def _place(text: str, path: Path) -> str:
    """Return the beginning of an error message: the dialogue and turn on the path to a value, then the other steps.

    >>> _place('{"mul1": [{"response": "a"}]}', ("mul1", 0, "response"))
    'mul1, turn 0, response: '
    """
    try:
        node = json.loads(text)
    except (ValueError, RecursionError):  # the text ends after the error
        node = None
    parts = _names(node)
    for step in path[:STEPS]:
        node = _inside(node, step)
        names = _names(node)
        parts += names if isinstance(step, int) and names else [_step(step, node)]
    return f"{', '.join(parts)}: " if parts else ""


def _step(step: str | int, node: Any) -> str:
    """Return a key or index for a message; `dialog_acts.json` has turns as keys."""
    is_turn = isinstance(node, dict) and not TURN.isdisjoint(node)
    if isinstance(step, int):
        return f"turn {step}" if is_turn else f"entry {step}"
    return f"turn {step}" if step.isdecimal() else shown(step)[1:-1]


def _inside(node: Any, step: str | int) -> Any:
    """Return the value at a key or index; None if it does not exist."""
    try:
        return node[step]
    except (LookupError, TypeError):
        return None


def _names(node: Any) -> list[str]:
    """Return a record's identification."""
    if not isinstance(node, dict):
        return []
    name = next((f"{what} {shown(node[key])}" for key, what in IDS.items() if isinstance(node.get(key), str)), None)
    turn = f"turn {node['turn']}" if type(node.get("turn")) is int else None
    return [part for part in (name, turn) if part]
