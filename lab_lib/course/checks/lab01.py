"""Checks of lab 01: spans, state changes, delexicalisation, leaks, supervised tokens."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

from lab_lib.corpora.delex import delexicalise as right_delexicalise
from lab_lib.corpora.types import Dialogue, Span, State, Turn
from lab_lib.course.checks.core import Exercise, Wrong, call, equal, refuses, same
from lab_lib.course.checks.lab01_shows import SHOWS as SHOWS
from lab_lib.prompts.dialogue import changed_domains

States = list[dict[str, dict[str, str]]]


def words_of(answer: Any) -> None:
    turn = Turn("system", "Reach us at the NORTH gate, NORTH of the river.")
    span = Span("area", "north", 28, 33)
    given = f"{turn.text!r} and the span 28:33 with value 'north'"
    got = call(answer, turn, span, given=given)
    if same(got, span.value):
        raise Wrong(
            f"for {given}: got the value {got!r}; expected the words of the text, which may be spelt differently"
        )
    equal(got, "NORTH", given=given, why="Start counts from 0 and end is exclusive, as in a Python slice")
    last = Span("name", "nandos", 4, 10)
    equal(
        call(answer, Turn("user", "Try Nandos"), last, given="'Try Nandos', 4:10"), "Nandos", given="'Try Nandos', 4:10"
    )


def changes(answer: Any) -> None:
    one = {"hotel": {"area": "north", "stars": "4"}}
    cases: list[tuple[dict, dict, dict, str]] = [
        ({}, one, one, "A domain that was not there before is new with all its slots"),
        (one, {"hotel": {**one["hotel"], "type": "inn"}}, {"hotel": {"type": "inn"}},
         "A slot that was not there before is new, in a known domain too"),
        (one, {"hotel": {**one["hotel"], "stars": "5"}}, {"hotel": {"stars": "5"}}, "Another value is a change"),
        (one, one, {}, "Leave out domains in which nothing changed"),
        (one, {"hotel": {"area": "north"}}, {}, "A slot that is gone is not a change"),
        (one, {**one, "taxi": {}}, {}, "A domain without slots is not a change"),
        (one, {"hotel": {**one["hotel"], "type": "inn"}, "train": {"day": "monday"}},
         {"hotel": {"type": "inn"}, "train": {"day": "monday"}}, "Several domains may change in one turn"),
        ({"taxi": {"leave": "9"}}, {"taxi": {"leave": "9"}, "train": {"leave": "9"}}, {"train": {"leave": "9"}},
         "The same slot and value in another domain is a change of that domain"),
    ]  # fmt: skip
    for before, after, expected, why in cases:
        given = f"before={before}, after={after}"
        kept = copy.deepcopy((before, after))
        equal(_plain(call(answer, before, after, given=given)), expected, given=given, why=why)
        if kept != (before, after):
            raise Wrong(f"for {given}: your function altered its arguments; build a new dict instead")


def _plain(value: Any) -> Any:
    """Return nested mappings as dicts, so that a defaultdict equals a dict with the same items."""
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _lists(value: Any) -> Any:
    """Return collections inside a list or tuple as lists, so that tuples and sets are accepted too."""
    if not isinstance(value, list | tuple):
        return value
    return [list(part) if isinstance(part, Collection) else part for part in value]


def active_domains(answer: Any) -> None:
    north, east = {"hotel": {"area": "north"}}, {"hotel": {"area": "east"}}
    train = {"train": {"day": "monday"}}
    cases: list[tuple[States, str]] = [
        ([{}, north], "Before any change a turn is about no domain"),
        ([north, north], "A turn that changes nothing is about the same domains as the turn before"),
        ([north, {**north, **train}, {**north, **train}], "Only what changed counts, not every domain of the state"),
        ([{**north, **train}, {**north, **train}, {**east, **train}], "Of several domains only those that changed now"),
        ([], "Without turns the list is empty"),
    ]
    for states, why in cases:
        given = f"states={states}"
        got = call(answer, copy.deepcopy(states), given=given)
        equal(_lists(got), expected_domains(states), given=given, why=why)


def expected_domains(states: States) -> list[list[str]]:
    """Return the active domains, computed as for prompts."""
    typed = [State({d: {s: (v,) for s, v in slots.items()} for d, slots in state.items()}) for state in states]
    active: list[list[str]] = []
    for before, after in pairwise([State(), *typed]):
        active.append(list(changed_domains(before, after)) or (active[-1] if active else []))
    return active


def delexicalise(answer: Any) -> None:
    cases = [
        ("Try Nandos.", [(4, 10, "name")], "The words around a span stay as they are"),
        ("It is in the north, in the far north.", [(31, 36, "area")],
         "Replace the place that the span marks, not the first place with the same words"),
        ("Rio is in the north.", [(0, 3, "name"), (14, 19, "area")],
         "A placeholder differs in length from the words: the offsets of later spans refer to the old text"),
        ("Try Nandos, in the north.", [(19, 24, "area"), (4, 10, "name")], "Spans come in any order"),
        ("The Old Mill Inn has rooms.", [(4, 16, "name"), (8, 12, "area")],
         "A span that starts before an earlier one has ended is not replaced"),
        ("At 10:15 to 11:00.", [(3, 8, "leaveat"), (12, 17, "arriveby")], "Two spans of one turn"),
        ("A 4 star place.", [(2, 3, "stars"), (3, 3 + 5, "type")], "Neighbours do not overlap: end is exclusive"),
        ("Bye!", [], "Without spans the text does not change"),
    ]  # fmt: skip
    for text, spans, why in cases:
        given = f"{text!r} with {spans}"
        order = list(spans)
        got = call(answer, text, order, given=given)
        equal(got, oracle(text, spans), given=given, why=why)
        if order != spans:
            raise Wrong(f"for {given}: your function altered the list of spans; use sorted(), which makes a new one")
    refuses(answer, "Bye!", [(0, 9, "name")], given="'Bye!' with the span 0:9, which ends outside the text")


def oracle(text: str, spans: list[tuple[int, int, str]]) -> str:
    """Return the text that the library's delexicalisation gives."""
    return right_delexicalise(Turn("system", text, tuple(Span(slot, "", a, b) for a, b, slot in spans)))


def lengths(answer: Any) -> None:
    first = Dialogue("A", (Turn("user", "I need  a train ."), Turn("system", "Where to?"), Turn("user", "Bye")))
    second = Dialogue("B", (Turn("user", ""), Turn("system", "Which day do you like?")))
    for speaker, expected in (("user", [5, 1, 0]), ("system", [2, 5])):
        given = f"two dialogues and speaker={speaker!r}"
        got = call(answer, (first, second), speaker, given=given)
        if isinstance(got, list) and len(got) == 2 and speaker == "user":
            raise Wrong(f"for {given}: got {got}, one number per dialogue; expected one number per turn")
        if isinstance(got, list) and len(got) == 5:
            raise Wrong(f"for {given}: got {got}, the turns of both speakers; expected those of one speaker")
        equal(got, expected, given=given, why="Words are what split() gives: white space of any length separates them")


def leaks(answer: Any) -> None:
    def dialogue(name: str, *texts: str) -> Dialogue:
        return Dialogue(name, tuple(Turn("system" if n % 2 else "user", text) for n, text in enumerate(texts)))

    known = (dialogue("T1", "A train, please.", "When?"), dialogue("T2", "Hello", "Good  morning"))
    cases: list[tuple[Dialogue, bool, str]] = [
        (dialogue("X1", "A train, please.", "When?"), True, "A copy under a new id is a leak"),
        (dialogue("T1", "A taxi, please.", "Where to?"), False, "The same id is not a leak if the words differ"),
        (dialogue("X2", "HELLO", "Good morning "), True, "Case and extra spaces make no difference"),
        (dialogue("X3", "A train, please.", "On which day?"), False, "An opening that both share is not a leak"),
        (dialogue("X5", "Hello", "When?"), False, "Turns of two different dialogues are not a copy of one dialogue"),
        (dialogue("X4", "When?", "A train, please."), False, "The order of turns counts"),
        (dialogue("X6", "A train, please."), False, "A part of a dialogue is not the dialogue"),
        (dialogue("X7", "A train, please. When?"), False, "Turns are compared one by one"),
    ]
    for tested, leaked, why in cases:
        given = f"a test dialogue {tested.id} with the turns {[turn.text for turn in tested.turns]}"
        got = call(answer, known, (tested,), given=given)
        equal(list(got) if isinstance(got, tuple) else got, [tested.id] if leaked else [], given=given, why=why)


def supervised_stretches(answer: Any) -> None:
    cases: list[tuple[list[int], list[bool], list[list[int]], str]] = [
        ([5, 6, 7, 8, 9], [False, True, True, False, True], [[6, 7], [9]], "A gap begins a new stretch"),
        ([5, 6], [True, False], [[5]], "A stretch may stand at the beginning"),
        ([5, 6, 7], [False, True, True], [[6, 7]], "Do not lose the stretch at the end"),
        ([7, 7, 7], [True, False, True], [[7], [7]], "The mask decides, not the ids"),
        ([5, 6], [False, False], [], "Without supervised tokens there is no stretch"),
    ]
    for ids, loss_mask, expected, why in cases:
        given = f"ids={ids}, loss_mask={loss_mask}"
        got = call(answer, ids, loss_mask, given=given)
        flat = [token for token, counts in zip(ids, loss_mask, strict=True) if counts]
        if same(got, flat) and got != expected:
            raise Wrong(f"for {given}: got one flat list {got}; expected one list for each stretch: {expected}")
        equal(_lists(got), expected, given=given, why=why)


CHECKS = {
    "01.1": Exercise("the words of a span", words_of, "A string can be sliced: text[first:last]."),
    "01.2": Exercise(
        "what changed", changes, "Compare with before.get(domain, {}), slot by slot; a missing slot has the value None."
    ),
    "01.3": Exercise(
        "what a turn is about",
        active_domains,
        "Loop over the states and keep two variables: the state before, and the current domains.",
    ),
    "01.4": Exercise(
        "delexicalise by hand",
        delexicalise,
        "Sort the spans by their start, collect pieces of the old text and placeholders in a list, and remember where "
        "the last span that you replaced ended.",
    ),
    "01.5": Exercise("words per turn", lengths, "Write two loops, over dialogues and their turns, and one condition."),
    "01.6": Exercise(
        "find the leaks",
        leaks,
        "Turn each dialogue into one value that a set can hold: a tuple of its cleaned turns.",
    ),
    "01.7": Exercise(
        "the supervised stretches",
        supervised_stretches,
        "Begin a new list whenever a supervised token follows one that is not.",
    ),
}
