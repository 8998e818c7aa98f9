"""Select the user turns of schema-guided dialogues that are exemplars: those in which one new intent becomes active.

The others are reported with a reason. Two kinds of them serve as utterances without a function: thanks and goodbye
(EASY), and turns that continue an intent (HARD), which look like requests but are not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab_lib.errors import LabError
from lab_lib.evaluation.sgd_dialogues import check_dialogue, fault, frames_of
from lab_lib.exemplars.schema_functions import Names, slot_name
from lab_lib.exemplars.template import SlotSpan
from lab_lib.exemplars.types import EASY, HARD, NO_CONTEXT, Context

Frame = Mapping[str, Any]
NO_INTENT = "NONE"

# Reasons why a user turn is not an exemplar.
INACTIVE = "no intent is active"
CLOSING = "thanks or goodbye"
SEVERAL = "several intents are active"
KNOWN = "its intent was active before"
OFFERED = "its intent was offered by the system"
KINDS = {CLOSING: EASY, KNOWN: HARD}
CLOSINGS = {"THANK_YOU", "GOODBYE"}
WITH_THEM = CLOSINGS | {"NEGATE", "NEGATE_INTENT", "AFFIRM"}  # acts that request nothing either: "No, thanks."


@dataclass(frozen=True)
class UserTurn:
    """A user turn; `reason` says why it is not an exemplar ("" if it is one). The rest describes its active intent."""

    dialogue: str
    number: int
    utterance: str
    reason: str
    service: str = ""
    intent: str = ""
    context: Context = NO_CONTEXT
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    spans: tuple[SlotSpan, ...] = ()


def user_turns(dialogue: Mapping[str, Any], where: str, called: Names) -> Iterator[UserTurn]:
    """Yield the user turns of a dialogue in order. Raises LabError, prefixed with `where`, for malformed data."""
    check_dialogue(dialogue, where)
    seen, states = dict[str, None](), dict[str, Mapping[str, Any]]()
    system: Mapping[str, Any] | None = None
    for number, turn in enumerate(dialogue["turns"]):
        if turn.get("speaker") != "USER":
            system = turn
            continue
        frames = frames_of(turn, f"{where}, turn {number}")
        for frame in frames:
            if wrong := _fault(frame):
                raise LabError(f"{where}, turn {number}, service {frame['service']}: {wrong}")
        active = [frame for frame in frames if frame["state"]["active_intent"] != NO_INTENT]
        names = [called.name(frame["service"], frame["state"]["active_intent"]) for frame in active]
        made = UserTurn(
            str(dialogue["dialogue_id"]),
            number,
            turn["utterance"],
            _reason(frames, names, seen, _offered(system, called)),
        )
        if len(active) == 1:
            before = states.get(active[0]["service"], {})
            made = _with_frame(made, active[0], names[0], Context(next(reversed(seen), ""), asked_slot(system)), before)
        yield made
        for name in names:
            seen.pop(name, None)  # so that the open function is the last one
            seen[name] = None
        states |= {frame["service"]: frame["state"]["slot_values"] for frame in frames}


def _fault(frame: Frame) -> str:
    """Return what is malformed in a frame; `requested_slots` may be missing, as in the town: nothing here reads it."""
    state = frame.get("state")
    return fault({**frame, "state": {"requested_slots": [], **state}} if isinstance(state, Mapping) else frame)


def _reason(frames: list[Frame], names: list[str], seen: Mapping[str, None], offered: Collection[str]) -> str:
    acts = {act["act"] for frame in frames for act in frame.get("actions", ())}
    if acts & CLOSINGS and acts <= WITH_THEM:
        return CLOSING
    if not names:
        return INACTIVE if acts else CLOSING  # files without acts: nearly all such turns are thanks
    if len(names) > 1:
        return SEVERAL
    if names[0] in seen:
        return KNOWN
    return OFFERED if names[0] in offered else ""


def _with_frame(turn: UserTurn, frame: Frame, name: str, context: Context, before: Mapping[str, Any]) -> UserTurn:
    """Return a turn with the data of its frame: the intent, the values that the user says, and their spans."""
    service = frame["service"]
    spans = tuple(SlotSpan(one["start"], one["exclusive_end"], slot_name(service, one["slot"]))
                  for one in frame.get("slots", ()) if "copy_from" not in one)  # fmt: skip
    said = _said(frame, before)
    for span in spans:
        said.setdefault(span.slot, (turn.utterance[span.start : span.end],))
    return UserTurn(turn.dialogue, turn.number, turn.utterance, turn.reason, service, name, context, said, spans)


def _said(frame: Frame, before: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return {slot: values} that the user says in a turn: from its acts or, without acts, the changes of the state.

    Values that the state takes from the system (an offered place) are not said by the user.
    """
    service, values = frame["service"], frame["state"]["slot_values"]
    if acts := frame.get("actions"):
        told = {act["slot"]: tuple(act["values"]) for act in acts if act["act"] == "INFORM" and act.get("slot")}
    else:
        told = {slot: (found[0],) for slot, found in values.items() if before.get(slot) != found}
    return {slot_name(service, slot): found for slot, found in told.items() if found}


def asked_slot(system: Mapping[str, Any] | None) -> str:
    """Return the slot that the system requested; "" if it requested none or several."""
    asked = list(dict.fromkeys(act["slot"] for _, act in _acts(system, "REQUEST")))
    return asked[0] if len(asked) == 1 else ""


def _offered(system: Mapping[str, Any] | None, called: Names) -> set[str]:
    """Return the functions that the system offered: "yes, please" to an offer has no meaning by itself."""
    acts = _acts(system, "OFFER_INTENT")
    return {called.name(service, intent) for service, act in acts for intent in act.get("values", ())}


def _acts(system: Mapping[str, Any] | None, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (service, act) for the acts of that name in a system turn."""
    for frame in (system or {}).get("frames", ()):
        for act in frame.get("actions", ()):
            if act.get("act") == name:
                yield frame["service"], act
