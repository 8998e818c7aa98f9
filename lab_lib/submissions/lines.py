"""The submitted form of predictions: one JSON line per answer, with only the scored fields."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.errors import LabError
from lab_lib.submissions.safe import loads
from lab_lib.tasks.base import Task

Predictions = dict[str, list[dict[str, Any]]]
LINE = 5_000  # characters of an answer; ours have at most 314


def to_lines(predictions: Mapping[str, Sequence[Mapping[str, Any]]], fields: Sequence[str]) -> str:
    """Return predictions as sorted lines with only the `fields` of an answer that count (`Task.submitted`)."""
    rows = [
        {"dialogue": key, "turn": number, **{part: answer[part] for part in fields if part in answer}}
        for key, answers in sorted(predictions.items())
        for number, answer in enumerate(answers)
    ]
    return "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)


def from_lines(text: bytes, path: Any, fields: Sequence[str]) -> Predictions:
    """Return predictions from their submitted form. Raises LabError, naming the line, for any other form."""
    predictions: Predictions = {}
    try:
        # Not splitlines: an answer may hold characters that Unicode calls line ends.
        lines = text.decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        raise LabError(f"{path}: not UTF-8 text") from None
    for number, line in enumerate(lines, 1):
        row = _read_line(line, f"{path}: line {number}", fields)
        answers = predictions.setdefault(row.pop("dialogue"), [])
        turn = row.pop("turn", None)
        if type(turn) is not int or turn != len(answers):  # 0.0 and false are not turn numbers
            raise LabError(
                f"{path}: line {number}: expected turn {len(answers)} of its dialogue, each once and in order"
            )
        answers.append(row)
    return predictions


def _read_line(line: str, where: str, fields: Sequence[str]) -> dict[str, Any]:
    """Return the object of a line: a dialogue, a turn, an answer that is text, and those of `fields` that it has."""
    if len(line) > LINE:
        raise LabError(f"{where}: {len(line):,} characters, at most {LINE:,} are taken")
    try:
        row = loads(line)
    except ValueError as error:
        raise LabError(f"{where}: not a JSON object: {error}") from None
    if (
        not isinstance(row, dict)
        or not isinstance(row.get("dialogue"), str)
        or set(row) - {"dialogue", "turn", *fields}
    ):
        more = [field for field in fields if field != "response"]
        raise LabError(f"{where}: expected dialogue, turn, response{' and perhaps ' if more else ''}{', '.join(more)}")
    if not isinstance(row.get("response"), str):
        raise LabError(f"{where}: response is {row.get('response')!r:.40}, expected text")
    return row


def said(predictions: Mapping[str, Sequence[Mapping[str, Any]]], task: Task[Any]) -> str:
    """Return a hash of predictions: the words of the answers as the task reads them, with sorted items.

    A copy with other spacing, order or additional fields has the same hash.
    """
    words = {key: [{"response": task.words_of(answer)} for answer in turns] for key, turns in predictions.items()}
    return hashlib.sha256(to_lines(words, ("response",)).encode("utf-8")).hexdigest()
