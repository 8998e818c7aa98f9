"""Files of recognisers, which find the values of slots by lists of entries and by patterns.

    {"recognizers": {"city": {"rec_type": "list", "instances": [{"label": "New York", "expressions": ["big apple"]}]},
                     "card": {"rec_type": "pattern", "pattern": "[A-Z]{2}[0-9]{4}"}},
     "slots": {"destination": "city", "renew_loan.card_number": "card"}}

A list yields the label of the entry whose expression is said; a pattern yields the words that match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lab_lib.calls.skills.skill import Skill
from lab_lib.errors import LabError, nearest, shown
from lab_lib.exemplars.recognise import Recogniser, pattern_recognisers, recognise
from lab_lib.exemplars.schema_functions import slot_name, snake
from lab_lib.files import read_json_object, write_json

RECOGNISERS = "recognizers.json"
KINDS = ("list", "pattern")


@dataclass(frozen=True)
class Entry:
    """One value of a list: its label and its expressions; `source` is the provenance of an entry that was added."""

    label: str
    expressions: tuple[str, ...]
    source: str = ""


@dataclass(frozen=True)
class Listed:
    """A recogniser as in its file: a list of entries, or a pattern ("" without one)."""

    name: str
    description: str = ""
    entries: tuple[Entry, ...] = ()
    pattern: str = ""

    @cached_property
    def recogniser(self) -> Recogniser:
        """The recogniser that finds these values."""
        return Recogniser(self.name, {one.label: one.expressions for one in self.entries}, self.pattern)


@dataclass(frozen=True)
class Recognisers:
    """Recognisers by name, and by slot; the keys of `slots` are slots, or a function and its slot (`f.slot`)."""

    by_name: Mapping[str, Listed] = field(default_factory=dict)
    slots: Mapping[str, str] = field(default_factory=dict)

    def of(self, function: str, slot: str) -> Recogniser | None:
        """Return the recogniser of a function's slot; None if it has none."""
        name = self.slots.get(f"{function}.{slot}") or self.slots.get(slot)
        return None if name is None else self.by_name[name].recogniser

    def values(self, skill: Skill, utterance: str) -> dict[str, tuple[str, ...]]:
        """Return {slot: values that are said} for a function; patterns of its schema are recognisers too."""
        listed = [replace(one, slot=slot.name) for slot in skill.function.parameters
                  if (one := self.of(skill.name, slot.name)) is not None]  # fmt: skip
        return recognise(utterance, [*listed, *pattern_recognisers(skill)])

    def with_entry(self, name: str, entry: Entry, slots: Mapping[str, str]) -> Recognisers:
        """Return a copy with one more entry, in a new list if needed. Raises LabError as `checked` does."""
        old = self.by_name.get(name, Listed(name))
        if old.pattern:
            raise LabError(f"the recogniser '{name}' is a pattern and takes no entry")
        same = next((one for one in old.entries if one.label == entry.label), None)
        if same is not None:
            expressions = dict.fromkeys((*same.expressions, *entry.expressions))
            entry = Entry(entry.label, tuple(expressions), entry.source)
        kept = tuple(one for one in old.entries if one is not same)
        made = replace(old, entries=(*kept, entry))
        return checked(Recognisers({**self.by_name, name: made}, {**self.slots, **slots}), f"recogniser {name}")


NO_RECOGNISERS = Recognisers()


def read_recognisers(path: Path) -> Recognisers:
    """Read recognisers; in a file without `slots`, each belongs to the slot of its name.

    Raises LabError for a malformed file, an unknown recogniser of a slot, an invalid pattern, and an expression with
    two labels.
    """
    found = read_json_object(path)
    whole = "recognizers" in found
    named = found["recognizers"] if whole else found
    slots = found.get("slots", {}) if whole else {name: name for name in named}
    if not isinstance(named, Mapping) or not isinstance(slots, Mapping):
        raise LabError(f"{path}: expected 'recognizers' and 'slots' as objects")
    by_name = {name: _listed(name, raw, f"{path}: recogniser {shown(name)}") for name, raw in named.items()}
    return checked(Recognisers(by_name, {_slot_key(slot): name for slot, name in slots.items()}), str(path))


def recogniser_file(found: Recognisers) -> dict[str, Any]:
    """Return recognisers as the JSON value of their file."""
    named = {one.name: _raw(one) for one in found.by_name.values()}
    return {"recognizers": named, "slots": dict(found.slots)}


def write_recognisers(path: Path, found: Recognisers) -> Path:
    """Write recognisers, atomically."""
    return write_json(path, recogniser_file(found))


def checked(found: Recognisers, where: str) -> Recognisers:
    """Return recognisers. Raises LabError for a slot of an unknown one, and for an expression with two labels."""
    for slot, name in found.slots.items():
        if name not in found.by_name:
            near = nearest(str(name), found.by_name)
            raise LabError(f"{where}: slot {shown(slot)}: no recogniser {shown(name)}{near}")
    for one in found.by_name.values():
        owners: dict[str, str] = {}
        for entry in one.entries:
            for text in (*entry.expressions, entry.label):
                if not text.strip():
                    raise LabError(f"{where}: recogniser '{one.name}': an empty expression")
                if (other := owners.setdefault(text.lower(), entry.label)) != entry.label:
                    raise LabError(f"{where}: recogniser '{one.name}': {shown(text)} means {shown(other)} and "
                                   f"{shown(entry.label)}")  # fmt: skip
    return found


def _slot_key(slot: str) -> str:
    """Return a slot in the convention of this package: `FoodOrdering.size` becomes `food_ordering.size`."""
    owner, _, name = slot.rpartition(".")
    return f"{snake(owner)}.{slot_name('', name)}" if owner else slot_name("", name)


def _listed(name: str, raw: Any, where: str) -> Listed:
    if not isinstance(raw, Mapping):
        raise LabError(f"{where}: expected an object, found {shown(raw)}")
    kind = raw.get("rec_type", "pattern" if "pattern" in raw else "list")
    if kind not in KINDS:
        raise LabError(f"{where}: rec_type {shown(kind)}{nearest(str(kind), KINDS)}")
    description = str(raw.get("description") or "")
    if kind == "pattern":
        return Listed(name, description, pattern=_pattern(raw.get("pattern"), where))
    instances = raw.get("instances", [])
    if not isinstance(instances, list):
        raise LabError(f"{where}: 'instances' is {shown(instances)}, expected a list")
    return Listed(name, description, tuple(_entry(one, where) for one in instances))


def _entry(raw: Any, where: str) -> Entry:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("label"), str):
        raise LabError(f"{where}: expected an instance with a 'label', found {shown(raw)}")
    expressions = raw.get("expressions", [])
    if not isinstance(expressions, list) or not all(isinstance(one, str) for one in expressions):
        raise LabError(f"{where}, {shown(raw['label'])}: 'expressions' is {shown(expressions)}, expected texts")
    return Entry(raw["label"], tuple(expressions), str(raw.get("source", "")))


def _pattern(expression: Any, where: str) -> str:
    try:
        if re.compile(expression).fullmatch(""):
            raise LabError(f"{where}: the pattern {shown(expression)} matches the empty text")
    except (re.error, TypeError) as error:
        raise LabError(f"{where}: pattern {shown(expression)}: {error}") from None
    return str(expression)


def _raw(one: Listed) -> dict[str, Any]:
    if one.pattern:
        return {"name": one.name, "rec_type": "pattern", "description": one.description, "pattern": one.pattern}
    instances = [{"label": e.label, "expressions": list(e.expressions), **({"source": e.source} if e.source else {})}
                 for e in one.entries]  # fmt: skip
    return {"name": one.name, "rec_type": "list", "description": one.description, "instances": instances}
