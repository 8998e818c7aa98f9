"""The dialogue types of the whole project. They are frozen, so read data cannot change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lab_lib.ids import id_key

Speaker = Literal["user", "system"]


@dataclass(frozen=True)
class Span:
    """A slot value at `text[start:end]` of its turn (offsets in characters, `end` exclusive).

    `slot` is the bare slot name (`pricerange`), `act` the dialogue act with its domain (`Hotel-Inform`).
    `value` is the annotated value, which may differ from the text (case, spelling).
    """

    slot: str
    value: str
    start: int
    end: int
    act: str = ""


@dataclass(frozen=True)
class State:
    """Belief state after a user turn: {domain: {slot: every accepted value}}; slots without the domain prefix."""

    values: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    def first(self) -> dict[str, dict[str, str]]:
        """Return {domain: {slot: first value}} without `dontcare` slots and empty domains (metrics 1.8).

        >>> State({"hotel": {"area": ("north", "centre"), "stars": ("dontcare",)}}).first()
        {'hotel': {'area': 'north'}}
        """
        flat = {
            domain: {slot: values[0] for slot, values in slots.items() if values and "dontcare" not in values}
            for domain, slots in self.values.items()
        }
        return {domain: slots for domain, slots in flat.items() if slots}


@dataclass(frozen=True)
class Turn:
    """One utterance. User turns hold the belief state after the turn; system turns hold the domains booked so far.

    `acts` are the names of its annotated dialogue acts (`Restaurant-Inform`, `general-bye`), in file order;
    `act_slots` holds the slots that each of them is about (`("area", "name")`; often none).
    """

    speaker: Speaker
    text: str
    spans: tuple[Span, ...] = ()
    state: State | None = None
    booked: tuple[str, ...] = ()
    acts: tuple[str, ...] = ()
    act_slots: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class DomainGoal:
    """The user's goal in one domain: constraints to meet and facts to give.

    `requestable` holds names among PHONE, ADDRESS, POST, REFERENCE and TRAINID; `booking` the booking details.
    """

    informable: Mapping[str, str]
    requestable: tuple[str, ...] = ()
    booking: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dialogue:
    """A dialogue: its official id (`MUL0484.json`), turns in order and, where known, the user's goal by domain."""

    id: str
    turns: tuple[Turn, ...]
    services: tuple[str, ...] = ()
    goal: Mapping[str, DomainGoal] | None = None

    @property
    def key(self) -> str:
        """The id as scorers and prediction files spell it: lower case, without `.json`."""
        return id_key(self.id)

    @property
    def system_turns(self) -> tuple[Turn, ...]:
        """The turns that a model must produce, in order."""
        return tuple(turn for turn in self.turns if turn.speaker == "system")


@dataclass(frozen=True)
class Exchange:
    """A system turn with the preceding user turns.

    `index` counts system turns from 0; `number` is the reply's place in `Dialogue.turns`. `users` are the user turns
    directly before the reply: usually one, none if the system speaks first or twice in a row. `before` and `state` are
    the belief states before and after them; a user turn without a state changes nothing.
    """

    index: int
    number: int
    users: tuple[Turn, ...]
    before: State
    state: State
    reply: Turn

    @property
    def user(self) -> str:
        """The words of the last user turn before the reply; empty where there is none."""
        return self.users[-1].text if self.users else ""


def exchanges(dialogue: Dialogue) -> Iterator[Exchange]:
    """Yield one exchange per system turn, in order; user turns without a reply are omitted."""
    index, users, before, state = 0, list[Turn](), State(), State()
    for number, turn in enumerate(dialogue.turns):
        if turn.speaker == "user":
            users.append(turn)
            state = turn.state or state
            continue
        yield Exchange(index, number, tuple(users), before, state, turn)
        index, users, before = index + 1, [], state


@dataclass(frozen=True)
class Dropped:
    """One omitted part and its reason. Nothing is dropped without such a record."""

    record: str
    reason: str


@dataclass(frozen=True)
class Corpus:
    """A corpus in memory: dialogues by split, its published schema, its database by domain, the dropped records."""

    name: str
    splits: Mapping[str, tuple[Dialogue, ...]]
    schema: tuple[Mapping[str, Any], ...] = ()
    database: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    dropped: tuple[Dropped, ...] = ()
