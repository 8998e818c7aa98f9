"""A small corpus of our own in the layout of SGD, with every kind of user turn, and exemplars in a line each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab_lib.exemplars.make import make_exemplar
from lab_lib.exemplars.types import AnnotatedExemplar, Provenance


def slot(name: str, *values: str, categorical: bool = False) -> dict[str, Any]:
    """A slot of a schema."""
    kinds = {"is_categorical": categorical or bool(values), "possible_values": list(values)}
    return {"name": name, "description": f"the {name}", **kinds}


SCHEMA = [
    {
        "service_name": "Inns_1",
        "description": "Beds",
        "slots": [slot("town"), slot("nights", "1", "2", "3"), slot("has_garden", "True", "False"), slot("price")],
        "intents": [
            {
                "name": "FindInn",
                "description": "Find a bed in a town",
                "required_slots": ["town"],
                "optional_slots": {"has_garden": "dontcare"},
            },
            {
                "name": "BookInn",
                "description": "Book a bed",
                "required_slots": ["town"],
                "optional_slots": {"nights": "1"},
            },
        ],
    },
    {
        "service_name": "Inns_2",
        "description": "More beds",
        "slots": [slot("place"), slot("town")],
        "intents": [
            {
                "name": "FindInn",
                "description": "Look for places to sleep",
                "required_slots": ["place"],
                "optional_slots": {"town": "x"},
            },
        ],
    },
    {
        "service_name": "Boats_1",
        "description": "Boats",
        "slots": [slot("quay")],
        "intents": [
            {"name": "FindBoat", "description": "Find a boat", "required_slots": [], "optional_slots": {"quay": "x"}}
        ],
    },
]


def frame(
    service: str, intent: str, acts: Any = (), spans: Any = (), state: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    """A user's frame. `acts` are (act, slot, *values), `spans` (slot, start, end)."""
    rows = [{"act": act, "slot": name, "values": list(values)} for act, name, *values in acts]
    told = {act["slot"]: act["values"] for act in rows if act["act"] == "INFORM"}
    held = told if state is None else state
    return {
        "service": service,
        "actions": rows,
        "slots": [{"slot": name, "start": start, "exclusive_end": end} for name, start, end in spans],
        "state": {"active_intent": intent, "requested_slots": [], "slot_values": held},
    }


def user(text: str, *frames: dict[str, Any]) -> dict[str, Any]:
    """A user turn."""
    return {"speaker": "USER", "utterance": text, "frames": list(frames)}


def system(*acts: tuple[str, str, str]) -> dict[str, Any]:
    """A system turn; acts are (act, slot, value)."""
    rows = [{"act": act, "slot": name, "values": [value]} for act, name, value in acts]
    return {"speaker": "SYSTEM", "utterance": "So?", "frames": [{"service": "Inns_1", "actions": rows}]}


DIALOGUE = {
    "dialogue_id": "1_00000",
    "services": ["Inns_1", "Boats_1"],
    "turns": [
        user(
            "A bed in Tolvey with a garden, please.",
            frame(
                "Inns_1",
                "FindInn",
                [("INFORM", "town", "Tolvey"), ("INFORM", "has_garden", "True"), ("INFORM", "price", "30")],
                [("town", 9, 15)],
            ),
        ),
        system(("REQUEST", "price", "")),
        user("At most 30.", frame("Inns_1", "FindInn", [("INFORM", "price", "30")])),
        system(("OFFER_INTENT", "intent", "BookInn")),
        user("Yes, book it.", frame("Inns_1", "BookInn", [("AFFIRM_INTENT", "")])),
        system(),
        user("Boats and inns", frame("Inns_1", "BookInn"), frame("Boats_1", "FindBoat")),
        system(),
        user("No, thanks.", frame("Inns_1", "BookInn", [("NEGATE", ""), ("THANK_YOU", "")])),
    ],
}
SECOND = {
    "dialogue_id": "1_00001",
    "services": ["Boats_1"],
    "turns": [
        user("Boats from East Quay or East Quay?", frame("Boats_1", "FindBoat", [("INFORM", "quay", "East Quay")])),
        system(),
        user("Maybe later.", frame("Boats_1", "NONE", [("NEGATE_INTENT", "")])),
    ],
}


def write_sgd(folder: Path, split: str = "dev", dialogues: Any = (DIALOGUE, SECOND), schema: Any = SCHEMA) -> Path:
    """Write a split and return the folder of the corpus."""
    (folder / split).mkdir(parents=True)
    (folder / split / "schema.json").write_text(json.dumps(schema))
    (folder / split / "dialogues_001.json").write_text(json.dumps(list(dialogues)))
    return folder


def exemplar(
    key: str, utterance: str, name: str, /, kind: str = "", service: str = "", **values: Any
) -> AnnotatedExemplar:
    """An exemplar; slot=value or slot=(values)."""
    arguments = {slot: value if isinstance(value, tuple) else (value,) for slot, value in values.items()}
    return make_exemplar(key, utterance, name, arguments, Provenance("c", "train", key, service=service, kind=kind))
