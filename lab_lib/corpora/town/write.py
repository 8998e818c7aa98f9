"""Writes simulated dialogues as the official files: MultiWOZ 2.2 (dialogues, acts, schema), 2.1 (goals, database).

The files are as compact as the layout allows: no indentation, one dialogue a line, frames only of the domains
that have a state and without their empty lists, and of the 2.1 log only what 2.2 does not say: the bookings.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_lib.corpora.town.goals import Plan, sample_goal
from lab_lib.corpora.town.schema import CATEGORICAL, schema
from lab_lib.corpora.town.simulate import Line, Simulated, simulate
from lab_lib.corpora.town.text import Act, Mention
from lab_lib.corpora.town.world import TAXI, World, make_world, official_row
from lab_lib.errors import LabError
from lab_lib.files import atomic_open

SPLITS = ("train", "dev", "test")
# Draws for one dialogue before giving up; a draw that repeats a goal is thrown away.
ATTEMPTS = 200
# Names of 2.1 where they differ from 2.2.
OLD_NAMES = {"leaveat": "leaveAt", "arriveby": "arriveBy", "entrancefee": "entrance fee", "openhours": "open hours"}
# The act names of MultiWOZ for the kinds of act that carry the domain's name, and those that do not.
DOMAIN_ACTS = {
    "offer": "Recommend", "another": "Recommend", "confirm": "Recommend", "select": "Select",
    "nooffer": "NoOffer", "facts": "Inform", "taxi": "Inform",
    "request": "Request", "ask": "Request", "other": "Request", "askmore": "Request",
}  # fmt: skip
OTHER_ACTS = {
    "greet": "general-greet", "thank": "general-thank", "bye": "general-bye", "reqmore": "general-reqmore",
    "welcome": "general-welcome", "refuse": "general-refuse", "offtopic": "general-offtopic",
    "askbook": "Booking-Inform", "bookrequest": "Booking-Request", "nobook": "Booking-NoBook",
    "booked": "Booking-Book", "rebooked": "Booking-Book",
}  # fmt: skip


def make_town(dialogues: tuple[int, int, int], seed: int, out: Path) -> None:
    """Generate (train, dev, test) dialogues and write them, their goals and the database into the folder `out`.

    Deterministic: equal arguments give equal bytes on any machine. The town itself does not depend on the seed.
    No two dialogues of a corpus have the same goal. Existing files of the same names are replaced, others are
    left alone. Raises LabError for a count below 1, and when the goals run out (far above 10,000 dialogues).
    """
    if min(dialogues) < 1:
        raise LabError(f"dialogues: expected at least 1 for each of train, dev and test, got {dialogues}")
    out, world = Path(out), make_world()
    acts: dict[str, Any] = {}
    data: dict[str, Any] = {}
    seen: set[str] = set()
    for split, count in zip(SPLITS, dialogues, strict=True):
        records = []
        for number in range(count):
            simulated = _different(world, f"{seed} {split} {number}", seen)
            name = f"TWN{len(data) + 1:04d}.json"
            records.append(_dialogue(name, simulated))
            acts[name] = {str(n): _acts(line) for n, line in enumerate(simulated.lines)}
            data[name] = _annotation(simulated)
        _write(out / split / "dialogues_001.json", records)
    _write(out / "dialog_acts.json", acts)
    _write(out / "data.json", data)
    _write(out / "schema.json", schema(world))
    for domain, rows in world.items():
        _write(out / "db" / f"{domain}_db.json", [official_row(row) for row in rows])
    _write(out / "db" / "taxi_db.json", [TAXI])


def _different(world: World, seed: str, seen: set[str]) -> Simulated:
    """Return a dialogue whose goal is not in `seen`, and note it there."""
    rng = random.Random(seed)
    for _ in range(ATTEMPTS):
        plans = sample_goal(rng, world)
        goal = json.dumps(_goal(plans), sort_keys=True)
        if goal not in seen:
            seen.add(goal)
            return simulate(plans, world, rng)
    raise LabError(f"no new goal in {ATTEMPTS} draws after {len(seen)} dialogues: ask for fewer")


def _write(path: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write JSON atomically, as bytes: line ends must not depend on the machine."""
    with atomic_open(path, "wb") as stream:
        stream.write(_lines(value).encode("ascii"))


def _lines(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Write a JSON object or list with one item a line, so that a change shows as a changed line."""
    if isinstance(value, Mapping):
        return "{\n" + ",\n".join(f"{_json(k)}:{_json(v)}" for k, v in value.items()) + "\n}\n"
    return "[\n" + ",\n".join(_json(item) for item in value) + "\n]\n"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


# MultiWOZ 2.2


def _dialogue(name: str, simulated: Simulated) -> dict[str, Any]:
    services = [plan.domain for plan in simulated.plans]
    turns = [_turn(number, line) for number, line in enumerate(simulated.lines)]
    return {"dialogue_id": name, "services": services, "turns": turns}


def _turn(number: int, line: Line) -> dict[str, Any]:
    frames = [_frame(line, domain) for domain in line.state] if line.speaker == "USER" else []
    return {"frames": frames, "speaker": line.speaker, "turn_id": str(number), "utterance": line.text}


def _frame(line: Line, domain: str) -> dict[str, Any]:
    """Write the state of a domain; as in the official files, only slots without a list of values have positions."""
    own = [(act, mentions) for act, mentions in line.acts if act.domain == domain]
    slots = [
        {"exclusive_end": m.end, "slot": f"{domain}-{m.slot}", "start": m.start, "value": m.value}
        for _, mentions in own
        for m in mentions
        if f"{domain}-{m.slot}" not in CATEGORICAL
    ]
    books = any(act.kind in ("book", "details", "retry", "rebook") for act, _ in own) or domain == "taxi"
    asked = [f"{domain}-{slot}" for act, _ in own if act.kind == "ask" for slot in act.asked()]
    state = {
        "active_intent": f"{'book' if books else 'find'}_{domain}" if own else "NONE",
        **({"requested_slots": asked} if asked else {}),
        "slot_values": {f"{domain}-{slot}": [value] for slot, value in line.state[domain].items()},
    }
    return {"service": domain, **({"slots": slots} if slots else {}), "state": state}


def _acts(line: Line) -> dict[str, Any]:
    """Write the acts of a turn: what is mentioned or asked for, and where the mentions stand in the text."""
    acts: dict[str, list[list[str]]] = {}
    spans = []
    for act, mentions in line.acts:
        name = _act_name(act)
        acts.setdefault(name, []).extend(_act_values(act, mentions))
        spans += [[name, m.slot, m.value, m.start, m.end] for m in mentions]
    return {"dialog_act": acts, "span_info": spans}


def _act_name(act: Act) -> str:
    if act.domain == "train" and act.kind in ("askbook", "booked", "rebooked"):
        return "Train-OfferBook" if act.kind == "askbook" else "Train-OfferBooked"
    if act.kind in OTHER_ACTS:
        return OTHER_ACTS[act.kind]
    return f"{act.domain.capitalize()}-{DOMAIN_ACTS.get(act.kind, 'Inform')}"


def _act_values(act: Act, mentions: Sequence[Mention]) -> list[list[str]]:
    asked = [[slot, "?"] for slot in act.asked()]
    told = [[mention.slot, mention.value] for mention in mentions]
    return asked + told or [["none", "none"]]


# MultiWOZ 2.1


def _annotation(simulated: Simulated) -> dict[str, Any]:
    log = [{"metadata": {domain: _metadata(line, domain) for domain in line.booked}} for line in simulated.lines]
    return {"goal": _goal(simulated.plans), "log": log}


def _goal(plans: Sequence[Plan]) -> dict[str, Any]:
    return {plan.domain: _domain_goal(plan) for plan in plans}


def _domain_goal(plan: Plan) -> dict[str, Any]:
    """Write a plan as 2.1 does: the wishes that must hold in the end, and those that cannot be met beside them."""
    more = {"train": ["trainID"], "taxi": ["car type", "phone"]}.get(plan.domain, [])
    goal: dict[str, Any] = {
        "info": _old(plan.final),
        "reqt": [OLD_NAMES.get(slot, slot) for slot in plan.facts] + more,
        "fail_info": _old(plan.first) if plan.twist == "no match" else {},
    }
    if plan.booking:
        fails = {"day": plan.first_booking["bookday"]} if plan.booking_twist == "full" else {}
        goal["book"] = {**_old(plan.booking), "invalid": False, "pre_invalid": bool(fails)}
        goal["fail_book"] = fails
    return goal


def _metadata(line: Line, domain: str) -> dict[str, Any]:
    """Write what is booked in a domain by a system turn: the details agreed on and the record with its reference."""
    details = {slot: value for slot, value in line.state[domain].items() if slot.startswith("book")}
    return {"book": {"booked": [line.booked[domain]], **_old(details)}}


def _old(values: Mapping[str, str]) -> dict[str, str]:
    return {OLD_NAMES.get(slot, slot).removeprefix("book"): value for slot, value in values.items()}
