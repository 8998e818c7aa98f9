"""Users' goals and bookings of MultiWOZ dialogues, read from the 2.1 `data.json`.

The 2.2 files hold neither. Rules: those of the official response-generation scorer
(Tomiinek/MultiWOZ_Evaluation), whose goals and booked domains come from the same file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.corpora.types import DomainGoal
from lab_lib.corpora.values import normalise_slot, normalise_value
from lab_lib.errors import LabError, nearest, shown
from lab_lib.files import read_json

DOMAINS = ("attraction", "bus", "hospital", "hotel", "police", "restaurant", "taxi", "train")
# Facts a user can ask for that Success checks; the scorer ignores any other (area, price, duration, ...).
REQUESTABLE = {"phone": "PHONE", "address": "ADDRESS", "postcode": "POST", "trainID": "TRAINID"}
PARTS = ("info", "reqt", "book", "fail_info", "fail_book")  # of a domain's goal; the last two are not read
# Parts of a raw goal that are prose for the crowd worker, not goals.
PROSE = ("message", "topic")


@dataclass(frozen=True)
class Annotation:
    """The 2.1 data of one dialogue: its goal, and the booked domains at each of its `len(turns)` turns."""

    goal: dict[str, DomainGoal]
    turns: tuple[tuple[str, ...], ...]


def goal_from_raw(raw: Mapping[str, Any], where: str = "goal") -> dict[str, DomainGoal]:
    """Turn the `goal` of a 2.1 dialogue into {domain: DomainGoal}; domains without a wish are left out.

    Slots and values are normalised (`arriveBy` -> `arrive`). REFERENCE is requestable where something is to be
    booked. Raises LabError, beginning with `where`, on another structure.

    >>> goal_from_raw({"hotel": {"info": {"area": "west"}, "reqt": ["phone"], "book": {"stay": "2"}}})["hotel"]
    DomainGoal(informable={'area': 'west'}, requestable=('PHONE', 'REFERENCE'), booking={'stay': '2'})
    """
    _expect_dict(raw, where)
    wanted = {domain: part for domain, part in raw.items() if domain not in PROSE and part}
    for domain in wanted:
        if domain not in DOMAINS:
            raise LabError(f"{where}: unknown domain '{domain}'{nearest(domain, DOMAINS)}")
    return {domain: _domain_goal(part, f"{where}, domain {domain}") for domain, part in wanted.items()}


def _domain_goal(part: Mapping[str, Any], where: str) -> DomainGoal:
    """Turn one domain's raw goal (`info`, `reqt`, `book`; other parts are ignored) into a DomainGoal."""
    _expect_dict(part, where)
    info, book = part.get("info", {}), part.get("book", {})
    _expect_dict(info, f"{where}, info")
    _expect_dict(book, f"{where}, book")
    wanted = part.get("reqt", [])
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        raise LabError(f"{where}, reqt: expected a list of names, found {shown(wanted)}")
    asked = [REQUESTABLE[name] for name in wanted if name in REQUESTABLE]
    return DomainGoal(
        informable={normalise_slot(s): normalise_value(normalise_slot(s), str(v)) for s, v in info.items()},
        requestable=tuple([*asked, "REFERENCE"] if book else asked),
        # `invalid` and `pre_invalid` (booleans) describe variations of the crowd worker's task, not booking details.
        booking={slot: value for slot, value in book.items() if isinstance(value, str)},
    )


def unread_names(raw: Mapping[str, Any]) -> list[str]:
    """Return parts and requested facts of a raw goal that are not read but are similar to known names.

    Call it after `goal_from_raw`, which checks the form. Facts that Success never looks at (area, price) are none.

    >>> unread_names({"hotel": {"info": {}, "reqt": ["Phone", "area"], "Book": {}}})
    ["goal: part 'Book' is not read", "goal: request 'Phone' is not read; did you mean 'phone'?"]
    """
    wanted = [part for domain, part in raw.items() if domain not in PROSE and part]
    parts = dict.fromkeys(name for part in wanted for name in part if name not in PARTS)
    asked = dict.fromkeys(name for part in wanted for name in part.get("reqt", []) if name not in REQUESTABLE)
    meant = {name: near for name in asked for near in REQUESTABLE if _letters(name).endswith(_letters(near))}
    return [
        *(f"goal: part {shown(name)} is not read" for name in parts),
        *(f"goal: request {shown(name)} is not read; did you mean '{near}'?" for name, near in meant.items()),
    ]


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def booked_domains(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the domains that have a booking with a `reference` in a system turn's metadata, in its order.

    >>> booked_domains({"hotel": {"book": {"booked": [{"reference": "7A"}]}}, "taxi": {"book": {}}})
    ('hotel',)
    """
    return tuple(
        domain
        for domain, part in metadata.items()
        if any("reference" in booking for booking in part.get("book", {}).get("booked", []))
    )


def read_annotations(path: Path) -> dict[str, Any]:
    """Read a 2.1 `data.json` as it is: {dialogue id: {"goal": ..., "log": [turn, ...]}}. Raises LabError."""
    raw = read_json(path)
    _expect_dict(raw, str(path))
    return raw


def annotation(raw: Any, where: str) -> Annotation:
    """Take goal and bookings out of one dialogue of `data.json`. Raises LabError, beginning with `where`."""
    _expect_dict(raw, where)
    for part in ("goal", "log"):
        if part not in raw:
            raise LabError(f"{where}: expected a '{part}'")
    return Annotation(goal_from_raw(raw["goal"], f"{where}, goal"), _booked_by_turn(raw["log"], where))


def _booked_by_turn(log: Sequence[Any], where: str) -> tuple[tuple[str, ...], ...]:
    """Return the booked domains of every turn of a 2.1 log (user turns have empty metadata: nothing)."""
    if not isinstance(log, list):
        raise LabError(f"{where}: expected 'log' to be a list of turns")
    try:
        return tuple(booked_domains(turn.get("metadata", {})) for turn in log)
    except (AttributeError, TypeError):
        raise LabError(f"{where}: expected metadata {{domain: {{'book': {{'booked': [...]}}}}}}") from None


def _expect_dict(value: Any, where: str) -> None:
    """Raise LabError unless `value` is a JSON object."""
    if not isinstance(value, dict):
        raise LabError(f"{where}: expected a JSON object, found {type(value).__name__}")
