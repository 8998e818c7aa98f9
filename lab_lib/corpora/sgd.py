"""Reader of the Schema-Guided Dialogue layout (`train/dialogues_001.json` ...): speakers and text only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lab_lib.corpora.types import Dialogue, Speaker, Turn
from lab_lib.errors import LabError
from lab_lib.files import listed, read_json


def read_text_dialogues(folder: str | Path) -> Iterator[Dialogue]:
    """Yield every dialogue of one split folder in file order, without frames, states or actions.

    Raises LabError when the folder holds no `dialogues_*.json` or a record lacks its id, speaker or utterance.
    """
    files = listed(folder, "dialogues_*.json")
    if not files:
        raise LabError(f"{folder}: no dialogues_*.json here; expected one split of the Schema-Guided Dialogue data")
    for path in files:
        for number, record in enumerate(read_json(path)):
            try:
                turns = tuple(Turn(_speaker(t["speaker"]), t["utterance"]) for t in record["turns"])
                yield Dialogue(record["dialogue_id"], turns)
            except (KeyError, TypeError) as error:
                raise LabError(f"{path}: record {number}: missing or malformed field {error}") from None


def _speaker(name: str) -> Speaker:
    if name not in ("USER", "SYSTEM"):
        raise LabError(f"speaker '{name}': expected USER or SYSTEM")
    return "user" if name == "USER" else "system"
