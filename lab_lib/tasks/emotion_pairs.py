"""The file of preference pairs, as written by `lab pairs`: one row per pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_lib.corpora.dailydialog.types import EMOTIONS
from lab_lib.errors import LabError, nearest
from lab_lib.files import read_jsonl
from lab_lib.texts import is_blank


@dataclass(frozen=True)
class Pair:
    """The chosen and the rejected reply for one history and one requested emotion."""

    emotion: str
    chosen: str
    rejected: str


def read_pairs(path: Path) -> Mapping[str, Sequence[Pair]]:
    """Return {key of the dialogue: its pairs}. Raises LabError, naming the file and the row, for a damaged one."""
    found: dict[str, list[Pair]] = {}
    for number, row in enumerate(read_jsonl(path), 1):
        where = f"{path}: row {number}"
        texts = [row.get(name) for name in ("key", "emotion", "chosen", "rejected")]
        if not all(isinstance(text, str) and not is_blank(text) for text in texts):
            raise LabError(f"{where}: expected texts under key, emotion, chosen and rejected")
        key, emotion, chosen, rejected = map(str, texts)
        if emotion not in EMOTIONS:
            raise LabError(f"{where}: no emotion '{emotion}'{nearest(emotion, EMOTIONS)}")
        if chosen == rejected:
            raise LabError(f"{where}: the chosen reply is the rejected one")
        found.setdefault(key, []).append(Pair(emotion, chosen, rejected))
    return found
