"""Checks of lab 06: a skill, a parser that refuses, values that fit, a mask; the scores are in `lab06_scores.py`."""

from __future__ import annotations

import math
import re
from typing import Any

from lab_lib.calls.skills.check import CallRefused, read_call
from lab_lib.calls.skills.signature import skill_of
from lab_lib.calls.skills.skill import Skills
from lab_lib.calls.skills.values import Unfit, fitted
from lab_lib.course.checks.core import Exercise, Wrong, brief, call, equal, plain
from lab_lib.course.checks.lab06_scores import area, curve, shares
from lab_lib.course.checks.lab06_shows import SHOWS as SHOWS
from lab_lib.errors import LabError

# Calls that the skill must accept or refuse: (call, whether it is accepted, why).
HEAT = [
    ('heat(room="kitchen")', True, "`degrees` and `until` have defaults"),
    ('heat(room="living room", degrees=5, until="07:30")', True, "5 degrees and the time 07:30 are allowed"),
    ('heat(room="bedroom", degrees=30, until="23:59")', True, "30 degrees and the time 23:59 are allowed"),
    ("heat()", False, "the room is required"),
    ('heat(room="attic")', False, "there is no attic: write the rooms as a Literal"),
    ('heat(room="kitchen", degrees=4)', False, "the minimum is 5 degrees"),
    ('heat(room="kitchen", degrees=31)', False, "the maximum is 30 degrees"),
    ('heat(room="kitchen", degrees=20.5)', False, "degrees are whole numbers"),
    ('heat(room="kitchen", until="24:00")', False, "24:00 does not match the pattern"),
    ('heat(room="kitchen", until="tomorrow")', False, "tomorrow is not a time of day"),
    ('heat(room="kitchen", until=True)', False, "a time is a text"),
]
SENTENCES = [
    ({"room": "kitchen", "degrees": 20, "until": None}, "The heating in the kitchen is set to 20 degrees."),
    ({"room": "bedroom", "degrees": 16, "until": "22:00"},
     "The heating in the bedroom is set to 16 degrees until 22:00."),
]  # fmt: skip


def heat(answer: Any) -> None:
    if not callable(answer):
        raise Wrong(f"expected a function, got {brief(answer)}; pass the function itself, without brackets")
    try:
        skills = Skills([skill_of(answer)])
    except LabError as error:
        raise Wrong(f"this is not a skill yet: {str(error).removeprefix('skills: ')}") from None
    if list(skills) != ["heat"]:
        raise Wrong(f"the skill is called {brief(next(iter(skills)))}, expected 'heat'")
    names = [one.name for one in skills["heat"].function.parameters]
    equal(names, ["room", "degrees", "until"], given="the names of the parameters, in order")
    for text, accepted, why in HEAT:
        try:
            read_call(text, skills)
            took = True
        except CallRefused:
            took = False
        if took != accepted:
            raise Wrong(f"for {text}: the call is {'accepted' if took else 'refused'}, and should not be; {why}")
    equal(skills["heat"].defaults, {"degrees": 20, "until": None}, given="the defaults")
    for given, sentence in SENTENCES:
        equal(call(answer, given=brief(given), **given), sentence, given=brief(given))


U, A = "### User: ", "### Assistant: "
GOOD = [
    (f"{U}hi\n{A}none()", [("hi", "none()")], ""),
    (f"\n{U}  hi \n \n{A} none() \n\n{U}ho\n{A}f()\n", [("hi", "none()"), ("ho", "f()")],
     "White space around does not count, and empty lines are allowed, also between the two lines of a pair"),
    (f"{U}note: buy milk\n{A}f(x=\"a: b\")", [("note: buy milk", 'f(x="a: b")')],
     "A text may hold further colons: split at the first one only"),
    ("", [], "A text without lines has no pairs"),
]  # fmt: skip
BAD = [
    (f"{U}hi\n{A}none()\nUser: ho\nAssistant: f()", 3, "a pair that has lost its ###, after a good one"),
    (f"{U}hi\nAssistant: none()", 2, "a line that has lost its ###"),
    (f"{U}hi\n{U}ho\n{A}f()", 2, "a second user before a call"),
    (f"\n{A}f()", 2, "a call without a user before it"),
    (f"{U}hi\n{A}f()\n{A}g()", 3, "a second call"),
    (f"{U}hi\n{A}f()\n\n{U}ho\n\n", 4, "a user at the end who got no call"),
    (f"{U}hi\n### Bot: f()", 2, "another role"),
]


def read_pairs(answer: Any) -> None:
    for text, pairs, why in GOOD:
        got = call(answer, text, given=repr(text))
        got = [tuple(pair) if isinstance(pair, list) else pair for pair in got] if isinstance(got, list) else got
        equal(got, pairs, given=repr(text), why=why)
    for text, line, what in BAD:
        given = f"{text!r} ({what})"
        try:
            got = call(answer, text, given=given)
        except Wrong as wrong:
            if not isinstance(wrong.__cause__, ValueError):
                raise
            numbers = re.findall(r"\d+", str(wrong.__cause__))
            if str(line) not in numbers:
                raise Wrong(f"for {given}: the message {brief(str(wrong.__cause__))} omits line {line}") from None
            continue
        raise Wrong(f"for {given}: got {brief(got)}, expected a ValueError that names line {line}")


FITS: list[tuple[Any, dict[str, Any], str]] = [
    ("Rome", {"type": "string"}, ""),
    ("", {"type": "string"}, "An empty text is not a value"),
    (5, {"type": "string"}, "A number is not a text"),
    ("abcd", {"type": "string", "maxLength": 3}, "At most 3 characters"),
    ("abc", {"type": "string", "maxLength": 3}, "3 characters are allowed"),
    ("b", {"type": "string", "enum": ["a", "b"]}, ""),
    ("c", {"type": "string", "enum": ["a", "b"]}, "It is none of the options"),
    (5, {"type": "integer"}, ""),
    ("5", {"type": "integer"}, "A text is not a number; nothing is converted"),
    (5.0, {"type": "integer"}, "5.0 is not a whole number here"),
    (True, {"type": "integer"}, "In Python True is an int; here it is not"),
    (0, {"type": "integer", "minimum": 1, "maximum": 9}, "The minimum is 1"),
    (1, {"type": "integer", "minimum": 1, "maximum": 9}, "The bounds are allowed"),
    (9, {"type": "integer", "minimum": 1, "maximum": 9}, "The bounds are allowed"),
    (10, {"type": "integer", "maximum": 9}, "The maximum is 9"),
    (2, {"type": "integer", "enum": [1, 2]}, ""),
    (True, {"type": "integer", "enum": [1, 2]}, "True equals 1 in Python, but is not an option"),
    (5, {"type": "number"}, "A whole number is a number"),
    (0.5, {"type": "number", "maximum": 1}, ""),
    (math.nan, {"type": "number"}, "nan is not a number, whatever its type"),
    (math.nan, {"type": "number", "minimum": 0, "maximum": 1}, "nan is not a number, whatever its type"),
    (False, {"type": "number"}, "A Boolean is not a number"),
    (False, {"type": "boolean"}, "False fits, although it is false"),
    (0, {"type": "boolean"}, "0 is not a Boolean"),
    (None, {"type": "string"}, "None is not a text"),
]


def fits(answer: Any) -> None:
    for value, schema, why in FITS:
        try:
            fitted(value, schema)
            expected = True
        except Unfit:
            expected = False
        given = f"value={value!r}, schema={schema}"
        equal(call(answer, value, dict(schema), given=given), expected, given=given, why=why)


MASKS: list[tuple[list[str], list[str], str, str]] = [
    (["", "a"], ["a"], "", "EOS is allowed only where a text is complete"),
    (["", "b"], ["ab"], "", "The text has to begin with the written text plus the token"),
    (["", "a", "b", "ab"], ["ab"], "", "A token may be more than one character"),
    (["", "a", "b", "ab"], ["ab"], "a", "The mask depends on the written text"),
    (["", "a", "b", "ab"], ["ab"], "ab", "A text that is complete can only end"),
    (["", "b", "c"], ["ab", "abc"], "ab", "A complete text may also be the beginning of a longer one"),
    (["", "bc", "b"], ["ab"], "a", "A token that goes beyond the end of the text is not allowed"),
    (["", "a", "b"], ["ab"], "b", "After a wrong beginning no token is allowed"),
    (["", "()", "(", ")"], ["f()"], "f", "All tokenisations of a text are allowed"),
    (["", "a"], ["", "a"], "", "An empty text may be allowed"),
]


def mask(answer: Any) -> None:
    for vocabulary, texts, written, why in MASKS:
        expected = [
            written in texts if token == "" else any(text.startswith(written + token) for text in texts)
            for token in vocabulary
        ]
        given = f"vocabulary={vocabulary}, texts={texts}, written={written!r}"
        got = plain(call(answer, list(vocabulary), list(texts), written, given=given))
        if isinstance(got, list) and got and all(isinstance(token, str) for token in got):
            raise Wrong(f"for {given}: got the tokens {got}, expected True or False for each token of the vocabulary")
        equal(list(got) if isinstance(got, tuple) else got, expected, given=given, why=why)


CHECKS = {
    "06.1": Exercise("a skill", heat, "Look at set_timer and set_alarm in lab_lib/data/skills/home.py."),
    "06.2": Exercise("a parser that refuses", read_pairs,
                     "Keep the user's text that has no call yet in a variable, or None."),
    "06.3": Exercise("values that fit", fits, "isinstance(True, int) is True; test for bool before you test for int."),
    "06.4": Exercise("the mask", mask, "text.startswith(written + token) for any of the texts; EOS is its own case."),
    "06.5": Exercise("shares of the names", shares, "Subtract the largest log probability before exp: it cancels."),
    "06.6": Exercise("the false-trigger curve", curve, "Split the requests by kind; each rate has its own divisor."),
    "06.7": Exercise("AUROC", area, "Compare every request of one kind with every request of the other."),
}  # fmt: skip
