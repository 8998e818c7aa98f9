"""A small schema of our own in Schema-Guided Dialogue format, and short ways to write dialogues in it."""

from __future__ import annotations

from typing import Any


def service(name: str, /, **slots: bool) -> dict[str, Any]:
    """A service; slots are name=is_categorical."""
    rows = [{"name": slot, "is_categorical": kind, "possible_values": []} for slot, kind in slots.items()]
    return {"service_name": name, "slots": rows, "intents": []}


SCHEMA = [
    service("Inns_1", town=False, nights=True, garden=True, name=False),
    service("Boats_1", quay=False, hour=False),  # no categorical slot
    service("Boats_2", quay=False, seats=True),
    service("Bells_1"),  # no slot at all
    service("Ferry", quay=False),  # its own domain
]
SEEN = {"Inns_1", "Boats_1", "Ferry"}


def frame(
    name: str, /, intent: str = "Find", requested: tuple[str, ...] = (), spans: Any = None, **values: Any
) -> dict[str, Any]:
    """A frame; slot=value or slot=[values], spans as (slot, start, exclusive_end); none: the frame has no `slots`."""
    lists = {slot: value if isinstance(value, list) else [value] for slot, value in values.items()}
    state = {"active_intent": intent, "requested_slots": list(requested), "slot_values": lists}
    rows = [{"slot": slot, "start": start, "exclusive_end": end} for slot, start, end in spans or ()]
    return {"service": name, "state": state, **({} if spans is None else {"slots": rows})}


def user(*frames: dict[str, Any], utterance: str = "a bed in Tolvey please") -> dict[str, Any]:
    """A user turn."""
    return {"speaker": "USER", "utterance": utterance, "frames": list(frames)}


def system() -> dict[str, Any]:
    """A system turn."""
    return {"speaker": "SYSTEM", "utterance": "Which town?", "frames": []}


def dialogue(*turns: dict[str, Any]) -> dict[str, Any]:
    """A dialogue with the services its turns have."""
    services = sorted({f["service"] for turn in turns for f in turn["frames"]})
    return {"dialogue_id": "", "services": services, "turns": list(turns)}
