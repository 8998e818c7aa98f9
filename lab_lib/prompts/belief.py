"""The belief state as function calls: written for a model to learn, read back safely, applied turn by turn.

A service has two functions: `find_hotel` takes its slots, `book_hotel` those that begin with `book` (its argument
`day` is the slot `bookday`). A call carries all current arguments of its function, so it is a complete query. An
argument that a call omits is removed from the state. Only functions whose slots changed in this user turn are called;
`[]` means no change. On MultiWOZ 2.2 dev (tokenizer of lab-tiny) a dialogue has 607 tokens this way, 726 if the active
services are called before every reply, and 569 if calls contain only new arguments, which could not remove a slot.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab_lib.calls.call import Call, ParseError
from lab_lib.calls.parse import parse_calls
from lab_lib.calls.schema import SLOT, Function, Parameter
from lab_lib.corpora.database import FUZZY, Database
from lab_lib.corpora.types import Dialogue, State, Turn, exchanges
from lab_lib.corpora.values import normalise_slot
from lab_lib.errors import LabError, shown
from lab_lib.texts import is_blank

Slots = Mapping[str, Mapping[str, str]]  # {service: {slot: value}}
VERBS = ("find", "book")
# Details that the back end needs for a booking: those that a MultiWOZ operator had to fill in.
BOOKED_WITH = {
    "restaurant": ("bookpeople", "bookday", "booktime"),
    "hotel": ("bookpeople", "bookday", "bookstay"),
    "train": ("bookpeople",),
}


def argument(slot: str) -> tuple[str, str]:
    """Return (verb, argument) of a slot; no two slots of a service share both.

    >>> argument("area"), argument("bookday")
    (('find', 'area'), ('book', 'day'))
    """
    return ("book", slot[4:]) if slot.startswith("book") and slot != "book" else ("find", slot)


def state_functions(schema: Iterable[Mapping[str, Any]]) -> tuple[Function, ...]:
    """Return the functions of a schema's services, all arguments texts and none required.

    If the schema lists the values of a slot (`is_categorical`), they are the argument's options. Raises LabError for a
    service or slot whose name is not valid in a call.
    """
    functions = []
    for service in schema:
        name, slots = service["service_name"], {slot["name"].partition("-")[2]: slot for slot in service["slots"]}
        for verb in VERBS:
            names = {argument(slot)[1]: slot for slot in slots if argument(slot)[0] == verb}
            for part in (name, *names):
                if not part.isidentifier() or keyword.iskeyword(part):
                    raise LabError(f"task.predict_state: '{part}' of service {name} cannot stand in a function call")
            if names:
                parameters = tuple(_parameter(own, slot, slots[slot]) for own, slot in names.items())
                functions.append(Function(f"{verb}_{name}", "", parameters, ()))
    return tuple(functions)


def _parameter(name: str, slot: str, raw: Mapping[str, Any]) -> Parameter:
    values = [str(value) for value in raw.get("possible_values", ())] if raw.get("is_categorical") else []
    options = {"enum": values} if values else {}
    return Parameter(name, "string", None, "", {"type": "string", SLOT: normalise_slot(slot), **options})


def calls_of(state: Slots) -> dict[str, Call]:
    """Return {function: call with all its arguments} of a state: services and arguments by alphabet, find first."""
    calls = {}
    for service in sorted(state):
        for verb in VERBS:
            pairs = {argument(slot): value for slot, value in sorted(state[service].items())}
            arguments: dict[str | None, str] = {name: value for (v, name), value in pairs.items() if v == verb}
            if arguments:
                calls[f"{verb}_{service}"] = Call(f"{verb}_{service}", arguments)
    return calls


def changed_calls(before: Slots, after: Slots) -> list[Call]:
    """Return the calls that turn one state into the other; a call without arguments removes all values of its
    function."""
    old, new = calls_of(before), calls_of(after)
    names = sorted(old.keys() | new.keys(), key=lambda name: (service_of(name), name.startswith("book")))
    return [new.get(name, Call(name, {})) for name in names if new.get(name) != old.get(name)]


def service_of(function: str) -> str:
    """Return the service of a function: `hotel` of `find_hotel`."""
    return function.partition("_")[2]


def read_calls(text: str, functions: Sequence[Function]) -> tuple[list[Call], tuple[str, ...]]:
    """Return (calls, problems) of a model's text. Never raises, and runs nothing.

    Text that is not calls gives no calls. Unknown functions and arguments, and values that are not text, are omitted.
    Each of these is a problem, `kind: details`.
    """
    try:
        parsed = parse_calls(text, strict_bfcl=False, functions=functions)
    except ParseError as error:
        return [], (f"malformed: {error}",)
    known = {function.name: function for function in functions}
    calls, problems = [], []
    for call in parsed:
        if call.name not in known:
            problems.append(f"unknown function: {call.name}")
            continue
        kept: dict[str | None, str] = {}
        for name, value in call.arguments.items():
            if known[call.name].parameter(name) is None:
                problems.append(f"unknown argument: {call.name}({name})")
            elif not isinstance(value, str) or is_blank(value):
                problems.append(f"no text: {call.name}({name}={shown(value, 40)})")
            else:
                kept[name] = value
        calls.append(Call(call.name, kept))
    return calls, tuple(problems)


@dataclass(frozen=True)
class Belief:
    """The user's current wishes, and the services of the last calls, which the next reply is about."""

    state: Slots = field(default_factory=dict)
    active: tuple[str, ...] = ()

    def after(self, calls: Sequence[Call]) -> Belief:
        """Return the belief after some calls (as `read_calls` gives them); none changes nothing."""
        state = {service: dict(slots) for service, slots in self.state.items()}
        for call in calls:
            verb, _, service = call.name.partition("_")
            kept = {slot: value for slot, value in state.get(service, {}).items() if argument(slot)[0] != verb}
            prefix = "book" if verb == "book" else ""
            state[service] = kept | {f"{prefix}{name}": str(value) for name, value in call.arguments.items()}
        active = tuple(dict.fromkeys(service_of(call.name) for call in calls)) or self.active
        return Belief({service: slots for service, slots in state.items() if slots}, active)


def bookings(state: Slots, database: Database) -> tuple[str, ...]:
    """Return the services that a back end would book: every detail is given and some venue fits.

    Its answer agrees with MultiWOZ 2.2's annotation of bookings on dev, gold states, in 98.7 % of the turns of the
    three bookable services (93 % of its bookings are annotated; it makes 98 % of the annotated bookings). Most
    differences are bookings that the operator was told to refuse.
    """
    return tuple(
        service
        for service, details in BOOKED_WITH.items()
        if service in state
        and all(slot in state[service] for slot in details)
        and database.query(service, state[service])
    )


def current_service(belief: Belief) -> str | None:
    """Return the last called service that has a table, whose venues a reply names."""
    return next((service for service in reversed(belief.active) if service in FUZZY), None)


def named_text(names: Iterable[str]) -> str:
    """Write the venues of a reply. The user knows them and may refer to them (`book it`); the reply contains `[name]`.

    On MultiWOZ 2.2 dev 467 of the 869 names that come into the state were never said by the user; 397 of these the
    system had said.
    """
    return "; ".join(dict.fromkeys(name.strip().lower() for name in names))


def found_text(belief: Belief, booked: Sequence[str], database: Database) -> str:
    """Write the database's answer for the active services: `restaurant 10, booked; taxi`; `none` before any call.

    The number is how many venues fit; services without a table (taxi) have none.
    """
    parts = []
    for service in belief.active:
        count = f" {len(database.query(service, belief.state.get(service, {})))}" if service in FUZZY else ""
        parts.append(f"{service}{count}{', booked' if service in booked else ''}")
    return "; ".join(parts) or "none"


@dataclass(frozen=True)
class GoldTurn:
    """The gold values before a system turn: the calls, the belief after them, and the annotated state."""

    calls: tuple[Call, ...]
    belief: Belief
    state: State
    reply: Turn


def gold_turns(dialogue: Dialogue) -> Iterator[GoldTurn]:
    """Yield one entry for each system turn of a dialogue; its calls turn the belief before into the gold one."""
    belief = Belief()
    for exchange in exchanges(dialogue):
        calls = changed_calls(belief.state, exchange.state.first())
        belief = belief.after(calls)
        yield GoldTurn(tuple(calls), belief, exchange.state, exchange.reply)
