"""Reader of the official MultiWOZ 2.2 layout: any corpus written in it, ours too, reads the same way.

    dialogues/   schema.json   dialog_acts.json   {train,dev,test}/dialogues_NNN.json
    goals/       data.json (2.1: goal and log of every dialogue)   db/<domain>_db.json

The format is checked; violations are refused with the record's name. Parts that official files may lack (the goal or
the acts of a dialogue) are omitted and counted in `Corpus.dropped`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from lab_lib.corpora.annotations import Acts, acts_of, check_order, read_acts, spans_of, state_of, unset_slots
from lab_lib.corpora.goals import DOMAINS, Annotation, annotation, read_annotations, unread_names
from lab_lib.corpora.types import Corpus, Dialogue, Dropped, Speaker, Turn
from lab_lib.errors import LabError, nearest, shown
from lab_lib.files import listed, read_json
from lab_lib.ids import by_key, id_key
from lab_lib.texts import is_blank

SPLITS = ("train", "dev", "test")
# Common names of splits: folders with these names (in any case) that are not our splits are noted, not read.
OTHER_NAMES = ("train", "training", "dev", "development", "val", "valid", "validation", "eval", "test", "testing")
# Users speak at even places, the system at odd ones: (name in the files, name in our types).
SPEAKERS: tuple[tuple[str, Speaker], ...] = (("USER", "user"), ("SYSTEM", "system"))


def read_multiwoz(dialogues: Path, goals: Path | None, name: str) -> Corpus:
    """Read a corpus in MultiWOZ 2.2 layout; goals, bookings and database from a 2.1 folder (None: without).

    A split whose folder is missing is left out; at least one must be there. Texts are kept to the character.
    Raises LabError, naming file, dialogue and turn, for anything malformed.
    """
    dialogues = Path(dialogues)
    schema = _read_schema(dialogues / "schema.json")
    raw_splits = {split: _read_split(dialogues / split) for split in SPLITS if (dialogues / split).is_dir()}
    if not raw_splits:
        raise LabError(f"{dialogues}: expected at least one of the folders {', '.join(SPLITS)}")
    builder = _Builder(schema, dialogues / "dialog_acts.json", Path(goals) / "data.json" if goals else None)
    splits = {
        split: tuple(builder.dialogue(raw, where) for where, raw in records) for split, records in raw_splits.items()
    }
    database = read_database(Path(goals) / "db") if goals else {}
    tables = _unread_tables(Path(goals) / "db") if goals else []
    dropped = (*builder.dropped, *builder.unused_acts(), *_unread(dialogues, raw_splits), *tables)
    return Corpus(name, splits, schema, database, dropped)


def read_database(folder: Path) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """Read `<domain>_db.json` files as {domain: rows}, columns as published. LabError if none is there."""
    files = listed(folder, "*_db.json")
    tables = {path.name.removesuffix("_db.json"): read_json(path) for path in files}
    if not tables:
        raise LabError(f"{folder}: expected database files named <domain>_db.json")
    # Some releases write a one-row table (taxi) as the bare row.
    rows = {domain: [table] if isinstance(table, dict) else table for domain, table in tables.items()}
    for domain, table in rows.items():
        if not isinstance(table, list) or not all(isinstance(row, dict) for row in table):
            raise LabError(f"{folder / domain}_db.json: expected a list of JSON objects, one a row")
    return {domain: tuple(table) for domain, table in rows.items()}


def _read_schema(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Read schema.json: a list of services with named slots."""
    schema = read_json(path)
    try:
        names = [service["service_name"] for service in schema]
        names += [slot["name"] for service in schema for slot in service["slots"]]
        if names and all(isinstance(name, str) for name in names):
            return tuple(schema)
    except (KeyError, TypeError):
        pass
    raise LabError(f"{path}: expected a list of services with 'service_name' and named 'slots'")


def _read_split(folder: Path) -> list[tuple[str, Any]]:
    """Read the files of one split as (place for messages, raw dialogue) pairs, in file order."""
    files = listed(folder, "dialogues_*.json")
    if not files:
        raise LabError(f"{folder}: expected files named dialogues_001.json, dialogues_002.json, ...")
    for number, path in enumerate(files, 1):
        if path.name != f"dialogues_{number:03d}.json":
            raise LabError(f"{folder}: dialogues_{number:03d}.json is missing (the next file is {path.name})")
    records = []
    for path in files:
        raw = read_json(path)
        if not isinstance(raw, list):
            raise LabError(f"{path}: expected a list of dialogues, found {type(raw).__name__}")
        records += [(f"{path}: {_name(record, number)}", record) for number, record in enumerate(raw, 1)]
    return records


def _unread(folder: Path, splits: Collection[str]) -> list[Dropped]:
    """Note files and folders that look like dialogues but are not read because of their names."""
    beside = [path for split in splits for path in sorted((folder / split).iterdir()) if path.name[0] != "."]
    files = [
        Dropped(f"{path.parent.name}/{path.name}", "file: not called dialogues_NNN.json")
        for path in beside
        if path.name.removesuffix(".gz").endswith((".json", ".jsonl")) and not fnmatch(path.name, "dialogues_*.json")
    ]
    named = [path for path in sorted(folder.iterdir()) if path.name not in SPLITS and path.name.lower() in OTHER_NAMES]
    expected = f"folder: not called {', '.join(SPLITS[:-1])} or {SPLITS[-1]}"
    return files + [Dropped(path.name, expected) for path in named if any(path.glob("dialogues_*"))]


def _unread_tables(folder: Path) -> list[Dropped]:
    """Note files that look like tables of the database but are not read because of their names."""
    named = [
        path.name for path in listed(folder) if ".json" in path.name.lower() and not fnmatch(path.name, "*_db.json")
    ]
    return [Dropped(f"{folder.name}/{name}", "table: not called <domain>_db.json") for name in named]


def _name(raw: Any, number: int) -> str:
    """Return how a message names a dialogue: its id, or its place in the file when it has none."""
    has_id = isinstance(raw, dict) and isinstance(raw.get("dialogue_id"), str) and raw["dialogue_id"]
    return f"dialogue {raw['dialogue_id'] if has_id else f'number {number}'}"


class _Builder:
    """Joins the files about one dialogue, and notes omissions."""

    def __init__(self, schema: tuple[Mapping[str, Any], ...], acts: Path, goals: Path | None) -> None:
        self.slots = {s["service_name"]: frozenset(slot["name"] for slot in s["slots"]) for s in schema}
        self.slot_names = frozenset(name.partition("-")[2] for names in self.slots.values() for name in names)
        self.acts_path, self.goals_path = acts, goals
        self.named: Acts = read_acts(acts)  # by id as the file spells it; ids are joined by their keys
        self.acts: Acts = by_key(self.named, str(acts))
        self.annotations = by_key(read_annotations(goals), str(goals)) if goals else {}
        self.seen: dict[str, str] = {}
        self.dropped: list[Dropped] = []

    def dialogue(self, raw: Any, where: str) -> Dialogue:
        """Build one dialogue from its raw form; `where` begins every message."""
        self._check(raw, where)
        id, turns = raw["dialogue_id"], raw["turns"]
        found, acts = self._annotation(id, len(turns)), self._acts(id, len(turns))
        self._note_stateless(id, turns)
        if len(turns) % 2:
            self.dropped.append(Dropped(id, "turn: the user's last one, which gets no reply"))
        built = []
        for i, turn in enumerate(turns):
            place, said = f", turn {i}", acts.get(str(i), {})
            text = _checked_text(turn, i, where + place)
            acts_place = f"{self.acts_path}: dialogue {id}{place}"
            spans = spans_of(said, text, acts_place)
            state = state_of(turn.get("frames", []), self.slots, where + place) if i % 2 == 0 else None
            booked = found.turns[i] if found else ()
            named = acts_of(said, acts_place)
            check_order(said, self.slot_names, acts_place)
            built.append(Turn(SPEAKERS[i % 2][1], text, spans, state, booked, tuple(named), tuple(named.values())))
        self._note_unset(id, turns, built)
        return Dialogue(id, tuple(built), tuple(raw.get("services", ())), found.goal if found else None)

    def _check(self, raw: Any, where: str) -> None:
        """Refuse a dialogue without id or turns, and an id that was read before (in any split)."""
        if not isinstance(raw, dict) or not isinstance(raw.get("dialogue_id"), str) or not raw["dialogue_id"]:
            raise LabError(f"{where}: expected a 'dialogue_id'")
        if not isinstance(raw.get("turns"), list) or not raw["turns"]:
            raise LabError(f"{where}: the dialogue is empty, expected a list of 'turns'")
        services = raw.get("services", [])
        if not isinstance(services, list) or not all(isinstance(name, str) for name in services):
            raise LabError(f"{where}: 'services' is {shown(services)}, expected a list of names")
        key = id_key(raw["dialogue_id"])
        if key in self.seen:
            raise LabError(f"{where}: this id was read before ({self.seen[key]}); ids must be unique")
        self.seen[key] = where

    def _annotation(self, id: str, turns: int) -> Annotation | None:
        """Return goal and bookings of a dialogue; None, noted, where 2.1 has none that fit."""
        if self.goals_path is None:
            return None
        if id_key(id) not in self.annotations:
            self.dropped.append(Dropped(id, f"goal: not in {self.goals_path.name}"))
            return None
        raw = self.annotations[id_key(id)]
        found = annotation(raw, f"{self.goals_path}: dialogue {id}")
        self.dropped += [Dropped(id, reason) for reason in unread_names(raw["goal"])]
        odd = dict.fromkeys(name for booked in found.turns for name in booked if name not in DOMAINS)
        self.dropped += [Dropped(id, f"bookings of {shown(name)}, which is no domain") for name in odd]
        if len(found.turns) != turns:
            # Bookings are assigned to turns by position: with different lengths they would be assigned to wrong turns.
            reason = f"goal: {self.goals_path.name} has {len(found.turns)} turns, the dialogue {turns}"
            self.dropped.append(Dropped(id, reason))
            return None
        return found

    def _acts(self, id: str, turns: int) -> Mapping[str, Any]:
        """Return a dialogue's acts by turn; empty, noted, where there are none."""
        found = self.acts.get(id_key(id))
        if found is None:
            self.dropped.append(Dropped(id, f"spans: not in {self.acts_path.name}"))
            return {}
        for turn in found:
            if turn not in {str(i) for i in range(turns)}:
                have = f"the dialogue has turns 0 to {turns - 1}"
                raise LabError(f"{self.acts_path}: dialogue {id}, turn {turn}: {have}")
        if lacking := sum("span_info" not in found.get(str(i), {}) for i in range(turns)):
            self.dropped.append(Dropped(id, f"spans: {self.acts_path.name} has no span_info of {lacking} turns"))
        return found

    def _note_stateless(self, id: str, turns: list[Any]) -> None:
        """Note user turns without a belief state after one that has it, or all of them if none has it."""
        frames = [turn.get("frames") or [] for turn in turns[::2] if isinstance(turn, dict)]
        stated = [any("state" in frame for frame in listed if isinstance(frame, dict)) for listed in frames]
        bare = stated[stated.index(True) :].count(False) if True in stated else len(stated)
        if bare:
            self.dropped.append(Dropped(id, f"state: {bare} user turns have none"))

    def _note_unset(self, id: str, turns: list[Any], built: list[Turn]) -> None:
        """Note the slots of states whose value means "not mentioned"."""
        pairs = zip(turns, built, strict=True)
        if count := sum(unset_slots(raw.get("frames", []), turn.state) for raw, turn in pairs if turn.state):
            self.dropped.append(Dropped(id, f"state: {count} slots have no value but '', 'none' or 'not mentioned'"))

    def unused_acts(self) -> list[Dropped]:
        """Return a note on acts of dialogues that are in no split (one for all: there can be thousands)."""
        unused = [id for id in self.named if id_key(id) not in self.seen]
        if not unused:
            return []
        shown = ", ".join(unused[:3]) + (", ..." if len(unused) > 3 else "")
        reason = f"acts of {len(unused)} dialogues that are in no split: {shown}"
        return [Dropped(self.acts_path.name, reason)]


def _checked_text(raw: Any, i: int, where: str) -> str:
    """Return the words of turn `i`; refuse one without words, out of order, or spoken by the wrong side."""
    if not isinstance(raw, dict) or not isinstance(raw.get("utterance"), str) or is_blank(raw["utterance"]):
        raise LabError(f"{where}: the turn has no words, expected an 'utterance'")
    if str(raw.get("turn_id", i)) != str(i):
        raise LabError(f"{where}: turn_id is {shown(raw['turn_id'])}, expected '{i}' (turns must be in order)")
    names, expected = [name for name, _ in SPEAKERS], SPEAKERS[i % 2][0]
    if raw.get("speaker") not in names:
        speaker = raw.get("speaker")
        raise LabError(f"{where}: unknown speaker {shown(speaker)}{nearest(shown(speaker)[1:-1], names)}")
    if raw["speaker"] != expected:
        order = "user and system take turns, user first"
        raise LabError(f"{where}: {raw['speaker']} speaks, expected {expected} ({order})")
    return str(raw["utterance"])
