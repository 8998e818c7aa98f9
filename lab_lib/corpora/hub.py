"""Convert a corpus to a Hugging Face `DatasetDict` and back, for sharing, `datasets` tools and notebooks.

One row per dialogue. Mappings with free keys (state, goal) become lists of rows, because a table needs fixed columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab_lib.corpora.types import Corpus, Dialogue, DomainGoal, Dropped, Span, State, Turn
from lab_lib.errors import LabError
from lab_lib.strict_json import parse_json

if TYPE_CHECKING:
    from datasets import DatasetDict, Features


def to_dataset_dict(corpus: Corpus) -> DatasetDict:
    """Return the corpus as a DatasetDict with its splits.

    Name, schema, database and drops, which are not dialogues, are stored as JSON in each split's `info.description`
    (kept by `save_to_disk`, not by CSV or parquet). Needs the package `datasets` (extra `train`).
    """
    from datasets import Dataset, DatasetDict

    rest = json.dumps(
        {
            "name": corpus.name,
            "schema": list(corpus.schema),
            "database": {domain: list(rows) for domain, rows in corpus.database.items()},
            "dropped": [[dropped.record, dropped.reason] for dropped in corpus.dropped],
        }
    )
    features = _features()
    tables = {}
    for split, dialogues in corpus.splits.items():
        rows = [_row(dialogue) for dialogue in dialogues]
        columns = {name: [row[name] for row in rows] for name in features}
        tables[split] = Dataset.from_dict(columns, features=features)
        tables[split].info.description = rest
    return DatasetDict(tables)


def from_dataset_dict(data: DatasetDict) -> Corpus:
    """Return the Corpus a DatasetDict was made of; equal to the one given to `to_dataset_dict`.

    Raises LabError for a DatasetDict that was not made by `to_dataset_dict`.
    """
    try:
        rest = parse_json(next(iter(data.values())).info.description)
        splits = {split: tuple(_dialogue(row) for row in table) for split, table in data.items()}
        return Corpus(
            name=rest["name"],
            splits=splits,
            schema=tuple(rest["schema"]),
            database={domain: tuple(rows) for domain, rows in rest["database"].items()},
            dropped=tuple(Dropped(*dropped) for dropped in rest["dropped"]),
        )
    except (StopIteration, ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"this DatasetDict was not made from a corpus of ours ({type(error).__name__}: {error})"
        ) from None


def _features() -> Features:
    """Return the columns of a dialogue row; `[...]` is a list."""
    from datasets import Features, Value

    string, number = Value("string"), Value("int32")
    pair = {"slot": string, "value": string}
    span = {"slot": string, "value": string, "start": number, "end": number, "act": string}
    state = {"domain": string, "slot": string, "values": [string]}
    turn = {"speaker": string, "text": string, "spans": [span], "state": [state]}
    turn |= {"booked": [string], "acts": [string], "act_slots": [[string]]}
    goal = {"domain": string, "informable": [pair], "requestable": [string], "booking": [pair]}
    return Features({"id": string, "services": [string], "turns": [turn], "goal": [goal]})


def _row(dialogue: Dialogue) -> dict[str, Any]:
    """Write a dialogue as a row; an absent state or goal is None, an empty one an empty list."""
    goal = dialogue.goal
    return {
        "id": dialogue.id,
        "services": list(dialogue.services),
        "turns": [_turn_row(turn) for turn in dialogue.turns],
        "goal": None if goal is None else [_goal_row(domain, part) for domain, part in goal.items()],
    }


def _turn_row(turn: Turn) -> dict[str, Any]:
    """Write a turn; its state as one entry a slot."""
    values = turn.state.values if turn.state is not None else {}
    state = [
        {"domain": domain, "slot": slot, "values": list(listed)}
        for domain, slots in values.items()
        for slot, listed in slots.items()
    ]
    return {
        "speaker": turn.speaker,
        "text": turn.text,
        "spans": [vars(span) for span in turn.spans],
        "state": state if turn.state is not None else None,
        "booked": list(turn.booked),
        "acts": list(turn.acts),
        "act_slots": [list(slots) for slots in turn.act_slots],
    }


def _goal_row(domain: str, part: DomainGoal) -> dict[str, Any]:
    return {
        "domain": domain,
        "informable": _pairs(part.informable),
        "requestable": list(part.requestable),
        "booking": _pairs(part.booking),
    }


def _dialogue(row: Mapping[str, Any]) -> Dialogue:
    """Read a row back."""
    goal = None if row["goal"] is None else {part["domain"]: _goal(part) for part in row["goal"]}
    return Dialogue(row["id"], tuple(_turn(turn) for turn in row["turns"]), tuple(row["services"]), goal)


def _turn(row: Mapping[str, Any]) -> Turn:
    spans = tuple(Span(**span) for span in row["spans"])
    state, slots = _state(row["state"]), tuple(tuple(slots) for slots in row["act_slots"])
    return Turn(row["speaker"], row["text"], spans, state, tuple(row["booked"]), tuple(row["acts"]), slots)


def _state(rows: Sequence[Mapping[str, Any]] | None) -> State | None:
    if rows is None:
        return None
    values: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in rows:
        values.setdefault(row["domain"], {})[row["slot"]] = tuple(row["values"])
    return State(values)


def _goal(row: Mapping[str, Any]) -> DomainGoal:
    return DomainGoal(_mapping(row["informable"]), tuple(row["requestable"]), _mapping(row["booking"]))


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"slot": slot, "value": value} for slot, value in values.items()]


def _mapping(pairs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {pair["slot"]: pair["value"] for pair in pairs}
