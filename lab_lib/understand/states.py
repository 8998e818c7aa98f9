"""Dialogue states predicted from single utterances: the open function, and its slot values as the user says them.

The services of a dialogue are given, as in the official task. A turn without a function continues the open one. Values
stay in the state. What the system proposes (a place, a booking) enters the state when the user accepts it ("yes, that
one"), if a model of acceptance is given; without it these values are missed. Requested slots are not predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab_lib.calls.skills.skill import Skills
from lab_lib.evaluation.sgd_dialogues import frames_of
from lab_lib.exemplars.dialogues import asked_slot
from lab_lib.exemplars.schema_functions import slot_name
from lab_lib.exemplars.types import NONE, Context
from lab_lib.retrieval.retriever import Retriever
from lab_lib.tasks.schema_guided_retrieval import shown_for
from lab_lib.tasks.schema_guided_text import (
    Question,
    Said,
    Shown,
    Style,
    function_question,
    offered,
    read_function,
    read_slots,
    slot_questions,
)
from lab_lib.understand.acceptance import Acceptance
from lab_lib.understand.apis import Api, offered_functions, slots_taken
from lab_lib.understand.offers import END, Offer, Offers
from lab_lib.understand.states_together import Together, Turn

Ask = Callable[[Sequence[Question]], Sequence[str]]  # questions -> the model's answers
Dialogue = Mapping[str, Any]


@dataclass(frozen=True)
class Asking:
    """What answers questions: the retriever, the number of exemplars, the style of prompts, and the model.

    With `together`, functions are chosen by model and retrieval together. `acceptance` says whether the user accepts
    what the system proposed.
    """

    retriever: Retriever
    exemplars: int
    style: Style
    ask: Ask
    together: Together | None = None
    acceptance: Acceptance | None = None


@dataclass
class Tracker:
    """The state of one dialogue after some of its turns: the `open` function, and the values of each service.

    `settled` are the services whose intent follows, in the current turn, from a proposal that the user accepted.
    """

    dialogue: Dialogue
    apis: Mapping[str, Api]
    functions: Skills
    offers: Offers
    open: str = ""
    settled: frozenset[str] = frozenset()
    intents: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    frames: list[list[dict[str, Any]]] = field(default_factory=list)

    def said(self, turn: Mapping[str, Any], system: Mapping[str, Any] | None) -> Said:
        """Return a user turn with its context: the open function and the requested slot."""
        slot = asked_slot(system)
        if slot and self.open:
            api = self.apis[self.open]
            slot = api.parameters.get(slot_name(api.service, slot), "")
        return Said(turn["utterance"], Context(self.open, slot if self.open else ""), str(self.dialogue["dialogue_id"]))

    def add(self, found: Mapping[str, tuple[Any, ...]]) -> None:
        """Add the slot values of a turn to the state of the open function."""
        api = self.apis[self.open]
        self.intents[api.service] = api.intent
        state = self.values.setdefault(api.service, {})
        state.update({api.slots[slot]: [str(value) for value in values] for slot, values in found.items()})

    def settle(self, accepted: Sequence[Offer]) -> None:
        """End functions, then open others, as the user accepted. An opened one settles the intents of all services."""
        self.settled = frozenset(one.service for one in accepted)
        for one in sorted(accepted, key=lambda one: one.kind != END):
            if one.kind == END:
                self.intents[one.service] = one.intent
                self.open = "" if self.open and self.apis[self.open].service == one.service else self.open
            else:
                names = {(api.service, api.intent): name for name, api in self.apis.items()}
                self.open = names.get((one.service, one.intent), self.open)
                self.settled = frozenset(api.service for api in self.apis.values())

    def answered(self, name: str) -> None:
        """Open the function that the model names, unless the user has settled the intent of its service."""
        if name != NONE and self.apis[name].service not in self.settled:
            self.open = name

    def take(self, offer: Offer) -> None:
        """Add the values of an accepted proposal."""
        self.values.setdefault(offer.service, {}).update({slot: list(texts) for slot, texts in offer.values.items()})
        self.offers.close(offer)

    def close_turn(self, turn: Mapping[str, Any], where: str) -> None:
        """Append the frames of a turn, one for each service that the reference has there."""
        self.frames.append([
            {"service": name, "state": {"active_intent": self.intents.get(name, "NONE"), "requested_slots": [],
             "slot_values": {slot: list(texts) for slot, texts in self.values.get(name, {}).items()}}}
            for name in (frame["service"] for frame in frames_of(turn, where))
        ])  # fmt: skip

    def predicted(self) -> dict[str, Any]:
        """Return the dialogue in the official format."""
        given = iter(self.frames)
        turns = [
            {"speaker": turn["speaker"], "utterance": turn["utterance"]}
            | ({"frames": next(given)} if turn["speaker"] == "USER" else {})
            for turn in self.dialogue["turns"]
        ]
        return {**{name: self.dialogue[name] for name in ("dialogue_id", "services")}, "turns": turns}


Live = tuple[Tracker, Mapping[str, Any], Mapping[str, Any] | None]  # a dialogue, its next user turn, the turn before


def track(dialogue: Dialogue, apis: Mapping[str, tuple[Api, ...]]) -> Tracker:
    """Return the empty state of a dialogue; `apis` are the intents of each service."""
    here = [api for name in dialogue["services"] for api in apis[name]]
    offers = Offers(slots_taken({name: apis[name] for name in dialogue["services"]}))
    return Tracker(dialogue, {api.skill.name: api for api in reversed(here)}, offered_functions(here), offers)


def predict_states(
    dialogues: Mapping[str, Dialogue], apis: Mapping[str, tuple[Api, ...]], asking: Asking
) -> dict[str, dict[str, Any]]:
    """Return {id: the dialogue with predicted states}; one round asks about one turn of every dialogue."""
    trackers = {key: track(dialogue, apis) for key, dialogue in dialogues.items()}
    rounds = {key: list(_user_turns(dialogue)) for key, dialogue in dialogues.items()}
    for number in range(max(map(len, rounds.values()), default=0)):
        live = [(trackers[key], *turns[number]) for key, turns in rounds.items() if number < len(turns)]
        _ask_round(live, asking)
        for tracker, turn, _ in live:
            tracker.close_turn(turn, f"dialogue {tracker.dialogue['dialogue_id']}")
    return {key: tracker.predicted() for key, tracker in trackers.items()}


def _user_turns(dialogue: Dialogue) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """Yield (user turn, preceding system turn)."""
    before = None
    for turn in dialogue["turns"]:
        if turn["speaker"] == "USER":
            yield turn, before
        else:
            before = turn


def _ask_round(live: Sequence[Live], asking: Asking) -> None:
    """Ask about one user turn of each dialogue: proposals of intents, functions, slots, proposals of values."""
    for tracker, _, system in live:
        if system is not None:
            tracker.offers.hear(system)
    for tracker, accepted in _accepted(live, asking, intents=True):
        tracker.settle(accepted)
    said = [tracker.said(turn, system) for tracker, turn, system in live]
    found = shown_for(
        asking.retriever, [_known(one, t) for one, (t, *_) in zip(said, live, strict=True)], 1, asking.exemplars
    )
    shown = [_worded(one, tracker) for one, (tracker, *_) in zip(found, live, strict=True)]
    asked = [
        function_question(one, offer, tracker.functions, asking.style)
        for one, offer, (tracker, *_) in zip(said, shown, live, strict=True)
    ]
    for text, offer, (tracker, *_) in zip(_functions(asked, said, shown, live, asking), shown, live, strict=True):
        tracker.answered(read_function(text, offer, asking.style))
    rows: list[tuple[Tracker, Question]] = []
    for one, offer, (tracker, *_) in zip(said, shown, live, strict=True):
        if tracker.open:
            skill = tracker.functions[tracker.open]
            rows += [(tracker, question) for question in slot_questions(one, offer, skill, asking.style)]
    texts = asking.ask([question for _, question in rows]) if rows else []
    for text, (tracker, question) in zip(texts, rows, strict=True):
        skill = tracker.functions[tracker.open]
        tracker.add(read_slots(text, question, skill, asking.style))
    for tracker, accepted in _accepted(live, asking, intents=False):
        for proposal in accepted:
            tracker.take(proposal)


def _accepted(live: Sequence[Live], asking: Asking, intents: bool) -> Iterator[tuple[Tracker, list[Offer]]]:
    """Yield for each dialogue the proposals of intents, or of values, that its user turn accepts."""
    if asking.acceptance is None:
        return
    for tracker, turn, _ in live:
        asked = [one for one in tracker.offers.open(tracker.values) if bool(one.intent) == intents]
        taken = asking.acceptance.accepts([(one, turn["utterance"]) for one in asked])
        yield tracker, [one for one, yes in zip(asked, taken, strict=True) if yes]


def _functions(
    asked: Sequence[Question], said: Sequence[Said], shown: Sequence[Shown], live: Sequence[Live], asking: Asking
) -> Sequence[str]:
    """Return the answers to the questions about functions."""
    if asking.together is None:
        return asking.ask(asked)
    indexed = {one.target_name for one in asking.retriever.exemplars}
    turns = [
        Turn(
            one.utterance,
            question,
            offer,
            tracker.functions,
            frozenset(name for name, api in tracker.apis.items() if api.known in indexed),
        )
        for question, one, offer, (tracker, *_) in zip(asked, said, shown, live, strict=True)
    ]
    return asking.together.choose(turns, asking.retriever, asking.style)


def _known(said: Said, tracker: Tracker) -> Said:
    """Return an utterance with the open function under its name in the index."""
    frame = tracker.apis[tracker.open].known if tracker.open else ""
    return Said(said.utterance, Context(frame, ""), said.key)


def _worded(found: Shown, tracker: Tracker) -> Shown:
    """Return what prompts show for a dialogue: all its functions, and their exemplars in the same wording."""
    by_known = {api.known: api for api in tracker.apis.values()}

    def own(exemplars: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(by_known[one.target_name].worded(one) for one in exemplars if one.target_name in by_known)

    exemplars = own(found.exemplars)
    return Shown(offered(list(tracker.functions), exemplars), exemplars, own(found.pool))
