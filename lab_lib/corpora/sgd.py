"""Reader of the Schema-Guided Dialogue layout (`train/dialogues_001.json` ...): speakers and text only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab_lib.corpora.types import Dialogue, Speaker, Turn
from lab_lib.errors import LabError, shown
from lab_lib.files import listed, read_json

SPEAKERS: dict[str, Speaker] = {"USER": "user", "SYSTEM": "system"}


def read_text_dialogues(folder: str | Path) -> Iterator[Dialogue]:
    """Yield every dialogue of one split folder in file order, without frames, states or actions.

    Raises LabError when the folder holds no `dialogues_*.json` or a record lacks its id, speaker or utterance.
    """
    files = listed(folder, "dialogues_*.json")
    if not files:
        raise LabError(f"{folder}: no dialogues_*.json here; expected one split of the Schema-Guided Dialogue data")
    for path in files:
        records = read_json(path)
        if not isinstance(records, list):
            raise LabError(f"{path}: expected a list of dialogues, found {shown(records)}")
        for number, record in enumerate(records):
            yield _dialogue(record, f"{path}: record {number}")


def _dialogue(record: Any, where: str) -> Dialogue:
    if not isinstance(record, dict) or not isinstance(record.get("dialogue_id"), str):
        raise LabError(f"{where}: expected an object with 'dialogue_id', found {shown(record)}")
    where = f"{where}, dialogue {record['dialogue_id']}"
    if not isinstance(record.get("turns"), list):
        raise LabError(f"{where}: 'turns' is {shown(record.get('turns'))}, expected a list")
    return Dialogue(record["dialogue_id"], tuple(_turn(t, f"{where}, turn {n}") for n, t in enumerate(record["turns"])))


def _turn(turn: Any, where: str) -> Turn:
    if not isinstance(turn, dict) or str(turn.get("speaker")) not in SPEAKERS:
        raise LabError(f"{where}: expected a turn with 'speaker' USER or SYSTEM, found {shown(turn)}")
    if not isinstance(turn.get("utterance"), str):  # the published test split has an empty one
        raise LabError(f"{where}: 'utterance' is {shown(turn.get('utterance'))}, expected text")
    return Turn(SPEAKERS[turn["speaker"]], turn["utterance"])
