"""One dialogue: user and system take turns until the user has said goodbye."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from lab_lib.corpora.town.goals import Plan
from lab_lib.corpora.town.system import System
from lab_lib.corpora.town.text import Act, Mention, realise
from lab_lib.corpora.town.user import User
from lab_lib.corpora.town.wording_system import word_system
from lab_lib.corpora.town.wording_user import UserWording
from lab_lib.corpora.town.world import World

State = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Line:
    """One utterance: its text, each act with its mentions, and what holds after it."""

    speaker: str
    text: str
    acts: tuple[tuple[Act, tuple[Mention, ...]], ...]
    state: State = field(default_factory=dict)
    booked: State = field(default_factory=dict)


@dataclass(frozen=True)
class Simulated:
    """A dialogue with the plans it was made from."""

    plans: tuple[Plan, ...]
    lines: tuple[Line, ...]


def simulate(plans: Sequence[Plan], world: World, rng: random.Random) -> Simulated:
    """Let user and system talk about `plans`. The same plans and generator state give the same words."""
    user, system, wording = User(plans, rng), System(world, rng), UserWording(rng)
    lower, bare = rng.random() < 0.2, rng.random() < 0.15
    lines: list[Line] = []
    asked = user.opening()
    answered: list[Act] = []
    before: State = {}
    while True:
        text, acts = _speak(wording.word(asked, answered, before))
        text = text.lower() if lower else text
        # Some people type without a full stop; the last character is never part of a value.
        text = text.rstrip(".") if bare else text
        lines.append(Line("USER", text, acts, _copy(user.state)))
        before = _copy(user.state)
        answered = system.reply(asked, user.state)
        text, acts = _speak(word_system(answered, rng))
        lines.append(Line("SYSTEM", text, acts, before, _copy(system.booked)))
        if answered[0].kind == "bye":
            return Simulated(tuple(plans), tuple(lines))
        asked = user.reply(answered, {mention.slot for _, mentions in acts for mention in mentions})


def _copy(state: State) -> State:
    return {domain: dict(values) for domain, values in state.items()}


def _speak(worded: Sequence[tuple[Act, str]]) -> tuple[str, tuple[tuple[Act, tuple[Mention, ...]], ...]]:
    """Realise the templates one after the other and move their mentions to where they stand in the whole text."""
    text, acts = "", []
    for act, template in worded:
        piece, mentions = realise(template, dict(act.values))
        shift = len(text) + 1 if text and piece else len(text)
        moved = tuple(Mention(m.slot, m.value, m.start + shift, m.end + shift) for m in mentions)
        text = f"{text} {piece}" if text and piece else text + piece
        acts.append((act, moved))
    return text, tuple(acts)
