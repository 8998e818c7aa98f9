"""The annotations of MultiWOZ 2.2: read and check belief states, spans and acts of turns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lab_lib.corpora.types import Span, State
from lab_lib.errors import LabError, nearest, shown
from lab_lib.files import read_json

# {dialogue id: {turn number as a string: {"dialog_act": ..., "span_info": ...}}}
Acts = Mapping[str, Mapping[str, Any]]
# Values of releases for a slot that the user has not mentioned; `none` also marks an act without slots.
UNSET = frozenset({"", "none", "not mentioned"})


def read_acts(path: Path) -> Acts:
    """Read dialog_acts.json. Raises LabError unless it is {dialogue: {turn: {...}}}."""
    acts = read_json(path)
    if not isinstance(acts, dict):
        raise LabError(f"{path}: expected a JSON object of dialogues, found {type(acts).__name__}")
    for id, turns in acts.items():
        if not isinstance(turns, dict) or not all(isinstance(turn, dict) for turn in turns.values()):
            raise LabError(f"{path}: dialogue {id}: expected {{turn: {{'span_info': [...], ...}}}}")
    return acts


def acts_of(acts: Mapping[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    """Return {name of a dialogue act: its slots, each once} of a turn, in file order; values are left to the spans.

    Raises LabError unless `dialog_act` is {act: [[slot, value], ...]}.
    """
    found = acts.get("dialog_act", {})
    if not isinstance(found, dict) or not all(isinstance(pairs, list) for pairs in found.values()):
        raise LabError(f"{where}: expected 'dialog_act' of the form {{act: [[slot, value], ...]}}")
    return {name: _act_slots(pairs, where) for name, pairs in found.items()}


def _act_slots(pairs: list[Any], where: str) -> tuple[str, ...]:
    """Return the slots of an act; the files write `none` for an act without slots."""
    if not all(isinstance(pair, list) and pair and isinstance(pair[0], str) for pair in pairs):
        raise LabError(f"{where}: expected 'dialog_act' of the form {{act: [[slot, value], ...]}}")
    return tuple(dict.fromkeys(pair[0].lower() for pair in pairs if pair[0] != "none"))


def check_order(acts: Mapping[str, Any], slots: Collection[str], where: str) -> None:
    """Refuse an act or span whose slot and value are swapped: the value is a slot of the schema.

    `slots` holds the schema's slot names without service. Call it after `acts_of` and `spans_of`, which check the form.
    """
    pairs = [(act, *pair) for act, listed in acts.get("dialog_act", {}).items() for pair in listed]
    for act, slot, *rest in [*pairs, *acts.get("span_info", [])]:
        value = rest[0] if rest and isinstance(rest[0], str) else ""
        if value in slots and slot not in slots and slot not in UNSET:
            raise LabError(
                f"{where}: {act} has slot {slot!r:.60} with value {value!r}; expected the slot before its value"
            )


def spans_of(acts: Mapping[str, Any], text: str, where: str) -> tuple[Span, ...]:
    """Turn `span_info` rows [act, slot, value, start, end] into spans, in file order. Overlaps are kept.

    Raises LabError for a row of another form, and for a span that is not inside `text`.
    """
    rows = acts.get("span_info", [])
    if not isinstance(rows, list):
        raise LabError(f"{where}: expected 'span_info' to be a list, found {type(rows).__name__}")
    return tuple(_span(row, text, where) for row in rows)


def _span(row: Any, text: str, where: str) -> Span:
    """Check one span row against the words it points into."""
    if not isinstance(row, list) or [type(part) for part in row] != [str, str, str, int, int]:
        raise LabError(f"{where}: span {shown(row)}: expected [act, slot, value, start, end]")
    act, slot, value, start, end = row
    if not 0 <= start < end <= len(text):
        place = f"{start}:{end} is outside its text of {len(text)} characters"
        raise LabError(f"{where}: span {shown(slot)[1:-1]}={shown(value)} at {place}")
    return Span(slot, value, start, end, act)


def state_of(frames: Any, slots: Mapping[str, Collection[str]], where: str) -> State:
    """Collect the belief state of a user turn from its frames; slots and domains without a value are left out.

    `slots` holds the schema's slot names by service, written `hotel-area`; the state drops the prefix. Raises
    LabError for a service, slot or value that the schema's form does not allow.
    """
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise LabError(f"{where}: expected 'frames' to be a list of JSON objects")
    values: dict[str, dict[str, tuple[str, ...]]] = {}
    for frame in frames:
        service = frame.get("service")
        if not isinstance(service, str) or service not in slots:
            raise LabError(f"{where}: unknown service {shown(service)}{nearest(shown(service)[1:-1], slots)}")
        for slot, listed in _slot_values(frame, where).items():
            _check_slot(slot, listed, slots[service], where)
            if said := tuple(value for value in listed if not _unset(value)):
                values.setdefault(service, {})[slot.partition("-")[2]] = said
    return State(values)


def unset_slots(frames: Any, state: State) -> int:
    """Count the slots of frames that `state` omitted because their values mean "not mentioned"."""
    return sum(len(_slot_values(frame, "")) for frame in frames) - sum(map(len, state.values.values()))


def _unset(value: str) -> bool:
    return value.strip().lower() in UNSET


def _slot_values(frame: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Return `state.slot_values` of a frame (empty where the frame has no state)."""
    state = frame.get("state", {})
    values = state.get("slot_values", {}) if isinstance(state, dict) else None
    if not isinstance(values, dict):
        raise LabError(f"{where}: expected a frame's state of the form {{'slot_values': {{slot: [value]}}}}")
    return values


def _check_slot(slot: str, listed: Any, known: Collection[str], where: str) -> None:
    """Refuse an unknown slot of a service, and a slot without a list of words."""
    if slot not in known:
        raise LabError(f"{where}: unknown slot '{slot}' in the state{nearest(slot, known)}")
    if not isinstance(listed, list) or not listed or not all(isinstance(value, str) for value in listed):
        raise LabError(f"{where}: slot '{slot}': expected a list of values, found {shown(listed)}")
