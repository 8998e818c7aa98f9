"""A corpus of four short dialogues in MultiWOZ 2.2 layout, written from a compact source; all text is our own.

`{act slot=value}` in an utterance marks a span: the words `value` stay in the text.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

MARK = re.compile(r"\{(\S+) (\w+)=([^}]*)\}")

SLOTS = {
    "restaurant": "area food name pricerange bookday bookpeople booktime phone address postcode ref",
    "train": "arriveby bookpeople day departure destination leaveat trainid ref price duration",
    "taxi": "arriveby departure destination leaveat type phone",
}

DATABASE: dict[str, list[dict[str, Any]]] = {
    "restaurant": [
        {
            "id": "1",
            "name": "copper kettle",
            "area": "north",
            "food": "british",
            "pricerange": "cheap",
            "phone": "01632960001",
            "address": "3 mill lane",
            "postcode": "zz11aa",
            "type": "restaurant",
        },
        {
            "id": "2",
            "name": "saffron table",
            "area": "south",
            "food": "indian",
            "pricerange": "expensive",
            "phone": "01632960002",
            "address": "8 quay street",
            "postcode": "zz12bb",
            "type": "restaurant",
        },
        {
            "id": "3",
            "name": "green oven",
            "area": "north",
            "food": "italian",
            "pricerange": "moderate",
            "phone": "01632960003",
            "address": "21 hill road",
            "postcode": "zz13cc",
            "type": "restaurant",
        },
    ],
    "train": [
        {
            "trainID": "TL0100",
            "departure": "northbridge",
            "destination": "eastham",
            "day": "monday",
            "leaveAt": "09:00",
            "arriveBy": "09:50",
            "duration": "50 minutes",
            "price": "12.40 pounds",
        },
        {
            "trainID": "TL0200",
            "departure": "eastham",
            "destination": "northbridge",
            "day": "friday",
            "leaveAt": "17:15",
            "arriveBy": "18:05",
            "duration": "50 minutes",
            "price": "12.40 pounds",
        },
    ],
    "taxi": [{"taxi_types": ["tesla"], "taxi_phone": ["^[0-9]{10}$"]}],
}

# Each dialogue: split, id, 2.1 goal, then pairs (user text, state after it, system text, domains booked by then).
DIALOGUES: list[dict[str, Any]] = [
    {
        "split": "train", "id": "TIN0001.json",
        "goal": {"restaurant": {"info": {"area": "north", "food": "british"}, "reqt": ["phone"],
                                "book": {"people": "2", "day": "monday", "time": "19:00", "invalid": False}},
                 "taxi": {}, "message": ["You want a table."]},
        "pairs": [
            ("I want {Restaurant-Inform food=British} food in the {Restaurant-Inform area=north}, please.",
             {"restaurant-food": ["british"], "restaurant-area": ["north"]},
             "The {Restaurant-Recommend name=Copper Kettle} is {Restaurant-Inform pricerange=cheap}. A table?", []),
            ("Yes, for {Restaurant-Inform bookpeople=2} on {Restaurant-Inform bookday=Monday} at "
             "{Restaurant-Inform booktime=19:00}. And their phone number?",
             {"restaurant-food": ["british"], "restaurant-area": ["north"], "restaurant-bookpeople": ["2"],
              "restaurant-bookday": ["monday"], "restaurant-booktime": ["19:00", "7 pm"]},
             "Booked under {Booking-Book ref=QX7PT}. Their number is {Restaurant-Inform phone=01632960001}.",
             ["restaurant"]),
        ],
    },
    {
        "split": "train", "id": "TIN0002.json",
        "goal": {"train": {"info": {"departure": "northbridge", "destination": "eastham", "day": "monday",
                                    "leaveAt": "08:30"}, "reqt": ["trainID", "price"]}},
        "pairs": [
            ("Is there a train from {Train-Inform departure=Northbridge} to {Train-Inform destination=Eastham} "
             "on {Train-Inform day=Monday} after {Train-Inform leaveat=08:30}?",
             {"train-departure": ["northbridge"], "train-destination": ["eastham"], "train-day": ["monday"],
              "train-leaveat": ["08:30"]},
             "{Train-Inform trainid=TL0100} leaves at {Train-Inform leaveat=09:00} and costs "
             "{Train-Inform price=12.40 pounds}.", []),
        ],
    },
    {
        "split": "dev", "id": "TIN0003.json",
        "goal": {"taxi": {"info": {"departure": "saffron table", "destination": "green oven",
                                   "arriveBy": "20:15"}, "reqt": ["car type", "phone"]}},
        "pairs": [
            ("A taxi from {Taxi-Inform departure=Saffron Table} to {Taxi-Inform destination=Green Oven}, there by "
             "{Taxi-Inform arriveby=20:15}.",
             {"taxi-departure": ["saffron table"], "taxi-destination": ["green oven"],
              "taxi-arriveby": ["20:15"]},
             "A {Taxi-Inform type=red Tesla} will come; call {Taxi-Inform phone=01632960077} if need be.", []),
        ],
    },
    {
        "split": "test", "id": "TIN0004.json",
        "goal": {"restaurant": {"info": {"food": "indian"}, "reqt": ["address", "postcode"]}},
        "pairs": [
            ("Where can I eat {Restaurant-Inform food=Indian}? Price does not matter.",
             {"restaurant-food": ["indian"], "restaurant-pricerange": ["dontcare"]},
             "At the {Restaurant-Inform name=Saffron Table} in the {Restaurant-Inform area=south}.", []),
            ("Where is that exactly?",
             {"restaurant-food": ["indian"], "restaurant-pricerange": ["dontcare"]},
             "It is at {Restaurant-Inform address=8 Quay Street}, {Restaurant-Inform postcode=ZZ12BB}.", []),
        ],
    },
]  # fmt: skip


def unmarked(marked: str) -> tuple[str, list[list[Any]]]:
    """Return the plain text of a marked utterance and its `span_info` rows."""
    text, rows, end = "", [], 0
    for found in MARK.finditer(marked):
        text += marked[end : found.start()]
        act, slot, value = found.groups()
        rows.append([act, slot, value.lower(), len(text), len(text) + len(value)])
        text, end = text + value, found.end()
    return text + marked[end:], rows


def write_tiny_corpus(folder: Path) -> Path:
    """Write schema, acts, splits, 2.1 `data.json` and database into `folder`, and return it."""
    acts: dict[str, Any] = {}
    log: dict[str, Any] = {}
    splits: dict[str, list[Any]] = {"train": [], "dev": [], "test": []}
    for source in DIALOGUES:
        dialogue, acts[source["id"]], turns = _dialogue(source)
        splits[source["split"]].append(dialogue)
        log[source["id"]] = {"goal": source["goal"], "log": turns}
    for split, dialogues in splits.items():
        write(folder / split / "dialogues_001.json", dialogues)
    for domain, rows in DATABASE.items():
        write(folder / "db" / f"{domain}_db.json", rows)
    services = [
        {"service_name": domain, "slots": [{"name": f"{domain}-{slot}"} for slot in slots.split()]}
        for domain, slots in SLOTS.items()
    ]
    write(folder / "schema.json", services)
    write(folder / "dialog_acts.json", acts)
    write(folder / "data.json", log)
    return folder


def _dialogue(source: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[Any]]:
    """Return one dialogue in 2.2 form, its acts and its 2.1 log."""
    turns: list[Any] = []
    acts: dict[str, Any] = {}
    log: list[Any] = []
    for user, state, system, booked in source["pairs"]:
        for speaker, marked, metadata in (("USER", user, {}), ("SYSTEM", system, _metadata(booked))):
            text, spans = unmarked(marked)
            frames = _frames(state) if speaker == "USER" else []
            said = {act: [[slot, value] for name, slot, value, *_ in spans if name == act] for act, *_ in spans}
            acts[str(len(turns))] = {"dialog_act": said, "span_info": spans}
            turns.append({"turn_id": str(len(turns)), "speaker": speaker, "utterance": text, "frames": frames})
            log.append({"text": text, "metadata": metadata})
    services = sorted(domain for domain, part in source["goal"].items() if part and domain in SLOTS)
    return {"dialogue_id": source["id"], "services": services, "turns": turns}, acts, log


def _frames(state: dict[str, list[str]]) -> list[Any]:
    """Return one frame a service, with the slots of the state that belong to it."""
    return [
        {
            "service": domain,
            "actions": [],
            "slots": [],
            "state": {"slot_values": {s: v for s, v in state.items() if s.startswith(f"{domain}-")}},
        }
        for domain in SLOTS
    ]


def _metadata(booked: list[str]) -> dict[str, Any]:
    """Return 2.1 metadata in which the domains of `booked` have a reference."""
    return {
        domain: {"book": {"booked": [{"reference": "QX7PT"}] if domain in booked else []}, "semi": {}}
        for domain in SLOTS
    }


def write(path: Path, value: Any) -> None:
    """Write JSON, making folders as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def change(path: Path, edit: Any) -> None:
    """Read JSON, let `edit` change it in place, and write it back: how a test spoils one record."""
    value = json.loads(path.read_text(encoding="utf-8"))
    edit(value)
    write(path, value)
