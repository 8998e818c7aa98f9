"""Questions and answers: a JSON list (or JSONL) of records with two keys, split by a seed into three sets."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.corpora.chats.split import near_copies
from lab_lib.errors import LabError, nearest, shown
from lab_lib.files import expanded, read_json, read_text
from lab_lib.strict_json import JsonError, parse_json
from lab_lib.texts import is_blank

BUNDLED = {"questions": Path(__file__).parents[1] / "data" / "questions" / "questions.json"}
LEAST = 10  # records, so that each of the three sets gets one
NAMED = 5  # bad records that a message names


@dataclass(frozen=True)
class Question:
    """A question with its answer. `key` is `record 3` for the third record of its file."""

    key: str
    question: str
    answer: str


def questions_path(name: str) -> Path:
    """Return the file that a corpus of questions is read from: a bundled one, or the path itself."""
    return BUNDLED.get(name) or expanded(name)


def read_questions(name: str, keys: Sequence[str]) -> list[Question]:
    """Return the questions of a file in order; `keys` name the question and the answer of a record.

    Raises LabError that names the bad records by their numbers, counted from 1, and for fewer than 10 records.
    """
    path = questions_path(name)
    if not path.exists():
        raise LabError(f"data.corpus={name}: no such file{nearest(name, BUNDLED)}")
    records = _records(path)
    faults = [(n, fault) for n, record in enumerate(records, 1) if (fault := _fault(record, keys))]
    if faults:
        told = "; ".join(f"record {number}: {fault}" for number, fault in faults[:NAMED])
        more = f"; and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
        raise LabError(f"{path}: {len(faults)} of {len(records)} records cannot be used: {told}{more}")
    if len(records) < LEAST:
        raise LabError(f"{path}: {len(records)} records; at least {LEAST} are needed to learn and to test")
    asked, answered = keys
    return [Question(f"record {n}", record[asked], record[answered]) for n, record in enumerate(records, 1)]


def _records(path: Path) -> list[Any]:
    """Return the records of a JSON list or a JSONL file."""
    if ".jsonl" in path.name:
        return [_parsed(line, f"{path}: line {n}") for n, line in enumerate(read_text(path).split("\n"), 1) if line]
    records = read_json(path)
    if not isinstance(records, list):
        raise LabError(f"{path}: expected a list of records, found {shown(records)}")
    return records


def _parsed(line: str, where: str) -> Any:
    try:
        return parse_json(line)
    except JsonError as error:
        raise LabError(f"{where}: {error}") from None


def _fault(record: Any, keys: Sequence[str]) -> str | None:
    """Return what is wrong with a record; None where nothing is."""
    if not isinstance(record, Mapping):
        return f"expected an object, found {shown(record)}"
    for key in keys:
        if key not in record:
            return f"no key '{key}'{nearest(key, record)}"
        if not isinstance(record[key], str):
            return f"{key}: expected text, found {shown(record[key])}"
        if is_blank(record[key]):
            return f"{key}: empty"
    return None


def split_questions(
    questions: Sequence[Question], train_size: float, validation_size: float, seed: int
) -> dict[str, list[Question]]:
    """Return the questions as train, dev (validation) and test (hold-out), drawn by the seed, each in its old order.

    `train_size` is the share of all that is trained on, `validation_size` the share of the rest that is dev. Questions
    that are near copies of each other stay in one set. Raises LabError where a set would be empty.
    """
    groups: dict[int, list[int]] = {}
    for place, group in enumerate(near_copies([one.question for one in questions])):
        groups.setdefault(group, []).append(place)
    order = sorted(groups.values())
    random.Random(seed).shuffle(order)
    rest = round((1 - train_size) * len(questions))
    due = {"dev": round(validation_size * rest), "test": rest - round(validation_size * rest)}
    drawn: dict[str, list[int]] = {"train": [], "dev": [], "test": []}
    for members in order:
        name = next((name for name in due if len(drawn[name]) + len(members) <= due[name]), "train")
        drawn[name] += members
    if empty := next((name for name, places in drawn.items() if not places), None):
        sizes = f"task.train_size={train_size}, task.validation_size={validation_size}"
        raise LabError(f"{len(questions)} questions with {sizes}: the set '{empty}' is empty")
    return {name: [questions[place] for place in sorted(places)] for name, places in drawn.items()}
