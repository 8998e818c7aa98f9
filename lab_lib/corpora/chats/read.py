"""Read conversations of a file, a folder with train, dev and test, or a data set of the Hugging Face hub."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_lib.corpora.chats.layouts import conversation, recognise
from lab_lib.corpora.chats.split import split_chats
from lab_lib.corpora.chats.types import BadRecord, Chat, Unusable
from lab_lib.errors import LabError, nearest, shown
from lab_lib.files import expanded, listed, read_json, read_text
from lab_lib.strict_json import JsonError, parse_json

# Other common names of files and splits.
SPLITS = {
    "train": "train",
    "dev": "dev",
    "validation": "dev",
    "valid": "dev",
    "val": "dev",
    "eval": "dev",
    "test": "test",
}
BUNDLED = {"helpdesk": Path(__file__).parents[2] / "data" / "chats" / "helpdesk.jsonl"}
ENDINGS = (".jsonl", ".json", ".jsonl.gz", ".json.gz")
LEAST = 10  # conversations of one file, so that each of the three sets gets one


@dataclass(frozen=True)
class Chats:
    """The corpus: conversations by split, the layout, whether the splits were drawn here, and the omitted records."""

    splits: Mapping[str, Sequence[Chat]]
    layout: str
    drawn: bool
    dropped: Mapping[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return notes about the corpus, one line each."""
        counts = ", ".join(f"{len(chats)} {name}" for name, chats in self.splits.items())
        how = "drawn here, near copies kept together" if self.drawn else "as given"
        left = [f"left out: {count} records with {reason}" for reason, count in self.dropped.items()]
        return [f"layout: {self.layout}; {counts} ({how})", *left]


def read_chats(name: str, keys: tuple[str, ...] = (), seed: int = 0) -> Chats:
    """Read the corpus called `name`: a bundled one, a file, a folder, or `owner/name` of a data set on the hub.

    `keys` are the two keys of a layout of one's own. One file is split here, by `seed`. Raises LabError, naming file
    and line, for records that are not in the layout of the first one, and where there is nothing to learn from.
    """
    path = chats_path(name)
    if os.path.isdir(path):
        sources = _folder(path)
    elif os.path.exists(path) or path.suffix in (".jsonl", ".json", ".gz"):
        sources = {"": _rows(path, "")}
    elif re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        sources = _hub(name)
    else:
        kinds = "no such file or folder, and not the name of a data set (owner/name)"
        raise LabError(f"data.corpus={name}: {kinds}{nearest(name, BUNDLED)}")
    reader = _Reader(keys)
    found = {split: [chat for chat in map(reader.chat, rows) if chat] for split, rows in sources.items()}
    splits = found if {"train", "dev", "test"} <= set(found) else _drawn(found, name, seed)
    return Chats(splits, reader.layout, splits is not found, dict(reader.dropped.most_common()))


def chats_path(name: str) -> Path:
    """Return the file or folder of a corpus; for a data set on the hub a path that does not exist."""
    return BUNDLED.get(name) or expanded(name)


@dataclass(frozen=True)
class Row:
    """A record, and how messages name it: `FILE: line 3`. `key` is unique in its corpus."""

    value: Any
    where: str
    key: str


class _Reader:
    """Reads records in the layout of the first one, and counts the omitted records."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys, self.layout = keys, "keys" if keys else ""
        self.dropped: Counter[str] = Counter()

    def chat(self, row: Row) -> Chat | None:
        """Return the conversation of a record, or None for one without training content, which is counted."""
        try:
            if not isinstance(row.value, Mapping):
                raise BadRecord(f"expected an object, found {shown(row.value)}")
            self._recognise(row.value)
            return Chat(row.key, conversation(row.value, self.layout, self.keys))
        except BadRecord as error:
            raise LabError(f"{row.where}: {error}") from None
        except Unusable as reason:
            self.dropped[str(reason)] += 1
            return None

    def _recognise(self, value: Mapping[str, Any]) -> None:
        layout = self.layout if self.keys else recognise(value)
        if layout != (self.layout or layout):
            raise BadRecord(f"layout {layout}, and the records before it have {self.layout}")
        self.layout = layout


def _drawn(found: Mapping[str, list[Chat]], name: str, seed: int) -> dict[str, list[Chat]]:
    """Draw the sets that are not given: all three of one file, or dev out of train."""
    source = next(iter(found.values())) if len(found) == 1 else found["train"]
    if len(source) < LEAST:
        raise LabError(f"{name}: {len(source)} usable conversations; at least {LEAST} are needed to learn and to test")
    parts = ("test", "dev") if len(found) == 1 else ("dev",)
    splits = split_chats(source, seed, parts)
    if not all(splits.values()):
        raise LabError(
            f"{name}: {len(source)} conversations that are near copies of each other; no set can be held out"
        )
    return {**found, **splits} if len(found) > 1 else splits


def _folder(folder: Path) -> dict[str, Iterable[Row]]:
    """Return the rows of each split of a folder with train.jsonl, dev.jsonl (or validation.jsonl) and test.jsonl."""
    found: dict[str, Path] = {}
    for path in listed(folder):
        split = SPLITS.get(path.name.split(".")[0].lower())
        if split is None or not path.name.endswith(ENDINGS):
            continue
        if split in found:
            raise LabError(f"{folder}: two files are the split '{split}': {found[split].name} and {path.name}")
        found[split] = path
    if not {"train", "test"} <= set(found):
        there = ", ".join(path.name for path in sorted(found.values())) or "neither"
        raise LabError(f"{folder}: expected train.jsonl and test.jsonl (dev.jsonl, if you have one), found {there}")
    return {split: _rows(path, f"{split} ") for split, path in found.items()}


def _rows(path: Path, split: str) -> list[Row]:
    """Return the records of a JSONL file, or of a JSON file with one list, with their lines or numbers.

    `split` begins their keys, which must differ from those of other splits.
    """
    if not path.name.endswith(ENDINGS):
        raise LabError(f"{path}: expected a file called {', '.join('*' + end for end in ENDINGS)}")
    text = read_text(path)
    if ".jsonl" not in path.name and text.lstrip().startswith("["):
        values = read_json(path)
        return [Row(value, f"{path}: record {n}", f"{split}record {n}") for n, value in enumerate(values, 1)]
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(Row(parse_json(line), f"{path}: line {number}", f"{split}line {number}"))
            except JsonError as error:
                raise LabError(f"{path}: line {number}: {error}") from None
    return rows


def _hub(name: str) -> dict[str, Iterable[Row]]:
    """Return the rows of each split of a data set on the hub; code in it is never run."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise LabError(
            f"data.corpus={name}: a data set of the hub needs the package datasets: pip install datasets"
        ) from None
    try:
        tables = load_dataset(name)
    except Exception as error:  # the library raises errors of a dozen packages
        raise LabError(f"data.corpus={name}: no such file or folder here, and the hub says: {_first(error)}") from error
    found: dict[str, Iterable[Row]] = {}
    for split, table in tables.items():
        ours = SPLITS.get(str(split))
        if ours is not None:
            found[ours] = [Row(row, f"{name}, {split}: row {n}", f"{split} {n}") for n, row in enumerate(table)]
    if "train" not in found or (len(found) > 1 and "test" not in found):
        raise LabError(
            f"data.corpus={name}: splits {shown(list(tables))}, expected train, validation and test, or train"
        )
    return found


def _first(error: Exception) -> str:
    return (str(error).strip().split("\n") or [""])[0] or type(error).__name__
