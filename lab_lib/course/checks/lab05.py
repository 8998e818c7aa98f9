"""Checks of lab 05: writing and reading calls, the state after them, queries; scores are in `lab05_scores.py`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from lab_lib.calls.call import Call, render_calls
from lab_lib.calls.parse import parse_calls
from lab_lib.corpora.database import Database
from lab_lib.course.checks.core import Exercise, Wrong, call, equal, refuses
from lab_lib.course.checks.lab05_scores import built, joint_accuracy, match, new_and_carried, slot_scores
from lab_lib.course.checks.lab05_shows import SHOWS as SHOWS
from lab_lib.prompts.belief import Belief

State = dict[str, dict[str, str]]
RAN: list[str] = []  # a text that is executed instead of parsed appends to this list
HERE = f'__import__("{__name__}", fromlist=["RAN"]).RAN.append("ran")'


def write_call(answer: Any) -> None:
    cases: list[tuple[str, dict[str, str], str]] = [
        ("find_hotel", {"area": "north"}, "Values stand in double quotes"),
        ("find_hotel", {"stars": "4", "area": "north"}, "Arguments stand in alphabetical order"),
        ("find_taxi", {}, "A call without arguments has empty brackets"),
        ("find_restaurant", {"name": "nando's"}, "An apostrophe needs no escape in double quotes"),
        ("find_restaurant", {"name": 'the "copper" kettle'}, "A quote inside a value has to be escaped"),
        ("find_restaurant", {"name": "back\\slash"}, "A backslash has to be escaped"),
        ("find_attraction", {"name": "café"}, "Letters with accents stay as they are"),
    ]
    for function, arguments, why in cases:
        given = f"{function!r} with {arguments}"
        expected = render_calls([Call(function, dict(sorted(arguments.items())))])
        equal(call(answer, function, dict(arguments), given=given), expected, given=given, why=why)


def read_call(answer: Any) -> None:
    for text in (
        'find_hotel(area="north")',
        "find_hotel(area='north', stars=\"4\")",
        '  find_taxi()  ',
        'find_restaurant(name="the \\"copper\\" kettle, (east)")',
        'find_restaurant(food="café")',
    ):  # fmt: skip
        (right,) = parse_calls(text, strict_bfcl=False)
        got = call(answer, text, given=repr(text))
        pair = isinstance(got, list | tuple) and len(got) == 2 and isinstance(got[1], Mapping)
        got = (got[0], dict(got[1])) if pair else got
        equal(got, (right.name, dict(right.arguments)), given=repr(text), why="Return (function, arguments)")
    _must_not_run(answer)
    refused = {
        "": "empty text",
        'find_hotel(area="north"': "a call that was cut short",
        'Sure! find_hotel(area="north")': "words around the call",
        "find_hotel(area=north)": "a name without quotes",
        'find_hotel("north")': "a value without a name",
        "find_hotel(stars=4)": "a number",
        'find_hotel(area=b"north")': "bytes",
        'find_hotel(area=["north"])': "a list as a value",
        'find_hotel(**{"area": "north"})': "unpacked arguments",
        'find_hotel(area="north", area="south")': "an argument given twice",
        'hotel.find(area="north")': "a dotted name",
        'find_hotel(area="north")(area="south")': "a call of a call's result",
        '"north"': "a text that is not a call",
        'find_hotel(area="a" + "b")': "arithmetic",
        'find_hotel(area=f"{1}")': "an f-string",
        "(" * 300: "300 open brackets",
    }
    for text, what in refused.items():
        shown = text if len(text) < 60 else text[:5] + "..."
        refuses(answer, text, given=f"{shown!r} ({what})")


def _must_not_run(answer: Any) -> None:
    """Raise Wrong when the answer executes the text that it should parse."""
    for text in (f"find_hotel(area=str({HERE}))", "find_hotel(area=f'{" + HERE + "}')"):
        RAN.clear()
        try:
            refuses(answer, text, given="a call whose value is itself a call")
        finally:
            ran = bool(RAN)
            RAN.clear()
            if ran:
                raise Wrong(
                    "your function executed the text of a model. Never do that: parse it with ast.parse, without eval"
                )


def after(answer: Any) -> None:
    hotel: State = {"hotel": {"area": "north", "bookday": "friday"}, "taxi": {"leaveat": "10:00"}}
    cases: list[tuple[State, list[tuple[str, dict[str, str]]], str]] = [
        ({}, [("find_hotel", {"area": "north"})], "A first call creates the service"),
        (hotel, [], "No call, no change"),
        (hotel, [("find_hotel", {"area": "north", "stars": "4"})], "Bookings and other services stay"),
        (
            hotel,
            [("find_hotel", {"stars": "4"})],
            "A call carries all arguments: one that it omits is removed from the state",
        ),
        (
            hotel,
            [("book_hotel", {"day": "monday", "people": "2"})],
            "The argument day of book_hotel is the slot bookday",
        ),
        (hotel, [("book_hotel", {})], "A call without arguments removes all slots of its function"),
        (hotel, [("find_taxi", {})], "A service without slots is not in the state"),
        (hotel, [("find_train", {"day": "friday"}), ("book_train", {"people": "3"})], "Two calls in one turn"),
        (hotel, [("find_hotel", {"area": "east"}), ("find_hotel", {"area": "west"})], "The later of two calls counts"),
    ]
    for state, calls, why in cases:
        given = f"state={state}, calls={calls}"
        mine = copy.deepcopy(state)
        got = call(answer, mine, copy.deepcopy(calls), given=given)
        expected = Belief(state).after(built(calls)).state
        equal(_plain(got), _plain(expected), given=given, why=why)
        if mine != state:
            raise Wrong(f"for {given}: your function altered the state it was given; build a new one")


def _plain(value: Any) -> Any:
    """Return nested mappings as dicts, so that a defaultdict equals a dict with the same items."""
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


TRAINS = [
    {"trainid": f"t{number}", "day": day, "leaveat": leave, "arriveby": arrive, "destination": "ashlock"}
    for number, (day, leave, arrive) in enumerate(
        [("monday", "09:00", "09:52"), ("monday", "14:30", "15:22"), ("friday", "14:30", "15:22")]
    )
]


def find(answer: Any) -> None:
    cases: list[tuple[dict[str, str], str]] = [
        ({}, "Without constraints every row matches"),
        ({"day": "monday", "leaveat": "14:30"}, "All constraints have to hold"),
        ({"leaveat": "10:00"}, "The slot leaveat is the earliest time: at or after it"),
        ({"arriveby": "15:22"}, "The slot arriveby is the latest time: at or before it"),
        ({"arriveby": "10:00", "leaveat": "09:00"}, "A time that is met exactly is a match"),
        ({"day": "dontcare"}, "The value dontcare constrains nothing"),
        ({"day": "friday", "bookpeople": "2"}, "A slot without a column, like bookpeople, constrains nothing"),
        ({"day": "sunday"}, "No row matches: return an empty list"),
    ]
    database = Database({"train": TRAINS})
    for constraints, why in cases:
        given = f"constraints={constraints} on trains {[tuple(row.values())[:4] for row in TRAINS]}"
        got = call(answer, [dict(row) for row in TRAINS], dict(constraints), given=given)
        found = database.query("train", constraints)
        expected = [row["trainid"] for row in TRAINS if row["trainid"] in found]
        ids = [row.get("trainid") if isinstance(row, Mapping) else row for row in got] if isinstance(got, list) else got
        equal(ids, expected, given=given, why=why)


CHECKS = {
    "05.1": Exercise(
        "write a call", write_call, "json.dumps writes a text with its escapes; look at its ensure_ascii."
    ),
    "05.2": Exercise(
        "read a call",
        read_call,
        "Test with isinstance that each part of the tree is what you expect. A SyntaxError is not a ValueError.",
    ),
    "05.3": Exercise(
        "the state after some calls",
        after,
        "Split the function's name at its first underscore. Which slots are its own?",
    ),
    "05.4": Exercise(
        "ask the database", find, "First drop slots that constrain nothing; then write one rule per kind of slot."
    ),
    "05.5": Exercise(
        "joint goal accuracy",
        joint_accuracy,
        "Turn each state into one clean dict or set of (service, slot, value); then states can be compared by ==.",
    ),
    "05.6": Exercise(
        "slot precision, recall, F1", slot_scores, "With sets per turn, hits are an intersection. Guard the divisions."
    ),
    "05.7": Exercise(
        "match calls", match, "Write fits(call, expected) first; itertools.permutations gives all orders of the calls."
    ),
    "05.8": Exercise(
        "new errors and old ones", new_and_carried, "Keep the set of wrong (service, slot) of the turn before."
    ),
}
