"""Frames of schema-guided dialogues as text and back: what a model writes after each user turn.

The text is a list of calls, one for each service that the turn has a frame of. Arguments are the slot values of the
state; `active_intent` and `requested_slots` come first, if they are not empty:

    Inns_1(active_intent="FindInn", requested_slots=["name"], town="Tolvey")

It is parsed without evaluating anything. Text that cannot be parsed is an empty state.
"""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.calls.call import Call, ParseError, render_calls
from lab_lib.calls.parse import parse_calls
from lab_lib.errors import LabError
from lab_lib.evaluation.noting import closest, counted
from lab_lib.evaluation.sgd_dialogues import check_dialogue, frames_of

Frame = Mapping[str, Any]
INTENT, REQUESTED = "active_intent", "requested_slots"
NO_INTENT = "NONE"
EMPTY: Mapping[str, Any] = {INTENT: NO_INTENT, REQUESTED: [], "slot_values": {}}


@dataclass(frozen=True)
class SgdItem:
    """A dialogue in the official format; `id` is unique in its `split` only, `key` in the whole corpus."""

    key: str
    id: str
    split: str
    dialogue: Mapping[str, Any]

    @property
    def turns(self) -> Sequence[Mapping[str, Any]]:
        """All turns, as they stand in the file."""
        turns: Sequence[Mapping[str, Any]] = self.dialogue["turns"]
        return turns

    @property
    def services(self) -> Sequence[str]:
        """The services that the dialogue is about."""
        services: Sequence[str] = self.dialogue["services"]
        return services


@dataclass(frozen=True)
class Exchange:
    """A user turn, with what the system said since the previous user turn."""

    before: str
    user: str
    frames: tuple[Frame, ...]

    @property
    def services(self) -> tuple[str, ...]:
        """The services that the turn has frames of."""
        return tuple(frame["service"] for frame in self.frames)


def exchanges(dialogue: Mapping[str, Any], where: str) -> Iterator[Exchange]:
    """Yield the user turns of a dialogue in the official format. Raises LabError beginning with `where`."""
    check_dialogue(dialogue, where)
    before: list[str] = []
    for number, turn in enumerate(dialogue["turns"]):
        if turn.get("speaker") != "USER":
            before.append(str(turn.get("utterance", "")))
            continue
        frames = frames_of(turn, f"{where}, turn {number}")
        yield Exchange(" ".join(before), turn["utterance"], tuple(frames))
        before = []


def frames_text(frames: Iterable[Frame]) -> str:
    """Return frames as the target text, each slot with its first value.

    >>> frames_text([{"service": "Inns_1", "state": {**EMPTY, "slot_values": {"town": ["Tolvey", "tolvey"]}}}])
    'Inns_1(town="Tolvey")'
    """
    return render_calls([_call(frame["service"], frame["state"]) for frame in frames])


def _call(service: str, state: Mapping[str, Any]) -> Call:
    arguments: dict[str | None, Any] = {} if state[INTENT] == NO_INTENT else {INTENT: state[INTENT]}
    if state[REQUESTED]:
        arguments[REQUESTED] = list(state[REQUESTED])
    return Call(service, arguments | {slot: accepted[0] for slot, accepted in state["slot_values"].items()})


def read_frames(text: str, services: Iterable[str]) -> tuple[list[dict[str, Any]], str]:
    """Return the frames of `services` in a text, and why the text is not a state ("" if it is one).

    A service without a call has an empty frame; calls of other services are dropped.
    """
    try:
        calls, problem = parse_calls(text, strict_bfcl=False), ""
    except ParseError as error:
        calls, problem = [], error.reason
    states = {call.name: _state(call) for call in calls}
    return [{"service": name, "state": states.get(name, EMPTY)} for name in services], problem


def _state(call: Call) -> dict[str, Any]:
    """Return the state of a call; values become texts, an intent or requested slots of a wrong type are ignored."""
    intent, requested = call.arguments.get(INTENT), call.arguments.get(REQUESTED)
    values = {str(slot): [_text(value)] for slot, value in call.arguments.items() if slot not in (INTENT, REQUESTED)}
    return {
        INTENT: intent if isinstance(intent, str) else NO_INTENT,
        REQUESTED: [slot for slot in requested if isinstance(slot, str)] if isinstance(requested, list) else [],
        "slot_values": values,
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def slot_values(frames: Iterable[Frame]) -> dict[str, dict[str, str]]:
    """Return {service: {slot: first value}} of frames, without services that have none."""
    states = {frame["service"]: frame["state"]["slot_values"] for frame in frames}
    return {name: {slot: values[0] for slot, values in found.items()} for name, found in states.items() if found}


def predicted_dialogue(item: SgdItem, answers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return a dialogue in the official format with the frames of answers (one per user turn).

    It ends with the last answer. A dialogue that was read from an official file is returned as it is.
    Raises LabError for more answers than there are user turns.
    """
    if answers and "official" in answers[0]:
        official: Mapping[str, Any] = answers[0]["official"]
        return official
    due = sum(turn["speaker"] == "USER" for turn in item.turns)
    if len(answers) > due:
        raise LabError(f"dialogue {item.id}: {len(answers)} answers, it has {due} user turns")
    given, turns = iter(answers), []
    for turn in item.turns:
        shown = {"speaker": turn["speaker"], "utterance": turn["utterance"]}
        if turn["speaker"] == "USER":
            if (answer := next(given, None)) is None:
                break
            services = [frame["service"] for frame in turn["frames"]]
            shown["frames"] = read_frames(answer["response"], services)[0]
        turns.append(shown)
    return {"dialogue_id": item.id, "services": list(item.services), "turns": turns}


def unkept_notes(predicted: Iterable[tuple[SgdItem, Sequence[Mapping[str, Any]]]]) -> list[str]:
    """Return notes on parts of answers that are not scored: calls of other services, repeated calls of a service."""
    others: Counter[str] = Counter()
    nearest: dict[str, str] = {}
    twice = 0
    for item, answers in predicted:
        users = [turn for turn in item.turns if turn["speaker"] == "USER"]
        for turn, answer in zip(users, answers, strict=False):
            here = {frame["service"] for frame in turn["frames"]}
            names = [] if "official" in answers[0] else _called(answer["response"])
            others.update(name for name in names if name not in here)
            nearest |= {name: closest(name, here) for name in names if name not in here}
            twice += len(names) - len(set(names))
    notes = [f"calls of services that the turn has no frame of, not scored: {sum(others.values())}: "
             f"{counted(others, nearest)}"] if others else []  # fmt: skip
    return notes + ([f"a service called again in one answer: {twice}x; the last call counts"] if twice else [])


def _called(text: str) -> list[str]:
    try:
        return [call.name for call in parse_calls(text, strict_bfcl=False)]
    except ParseError:
        return []


def official_answers(dialogue: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """Return one answer for each user turn of a predicted dialogue in the official format.

    The first one carries the whole dialogue, which is scored as it is. Raises LabError for a malformed dialogue.
    """
    answers = [{"response": _shown(exchange.frames)} for exchange in exchanges(dialogue, where)]
    return [{**answer, **({"official": dialogue} if number == 0 else {})} for number, answer in enumerate(answers)]


def official_values(predicted: Iterable[tuple[SgdItem, Sequence[Mapping[str, Any]]]]) -> Iterator[str]:
    """Yield the first value, which is scored, of every slot of predicted dialogues in the official format."""
    for _, answers in predicted:
        turns = answers[0]["official"]["turns"] if answers and "official" in answers[0] else ()
        for frame in (frame for turn in turns if turn.get("speaker") == "USER" for frame in turn["frames"]):
            yield from (values[0] for values in frame["state"]["slot_values"].values())


def _shown(frames: Sequence[Frame]) -> str:
    """Return predicted frames as text; malformed ones, which the scorer reports, as their repr."""
    try:
        return frames_text(frames)
    except (KeyError, TypeError, AttributeError, IndexError):
        return repr(frames)


def check_names(schema: Iterable[Mapping[str, Any]]) -> None:
    """Raise LabError for a service or slot that cannot stand in a call."""
    for entry in schema:
        for name in (entry["service_name"], *(slot["name"] for slot in entry["slots"])):
            if not name.isidentifier() or keyword.iskeyword(name) or name in (INTENT, REQUESTED):
                raise LabError(f"schema: '{name}' of {entry['service_name']} cannot stand in a function call")
