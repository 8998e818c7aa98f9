"""Wrong answers to the exercises of lab 06, each with what its message must say."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from lab_lib.calls.skills import Pattern, Range

TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"
Room = Literal["kitchen", "bedroom", "living room"]
Degrees = Annotated[int, Range(5, 30)]
Until = Annotated[str, Pattern(TIME)] | None


def named(function, name="heat"):
    function.__name__ = name
    return function


def without_types(room, degrees=20, until=None) -> str:
    """Set the heating."""
    return ""


def any_room(room: str, degrees: Degrees = 20, until: Until = None) -> str:
    """Set the heating."""
    return ""


def no_bounds(room: Room, degrees: int = 20, until: Until = None) -> str:
    """Set the heating."""
    return ""


def any_time(room: Room, degrees: Degrees = 20, until: str | None = None) -> str:
    """Set the heating."""
    return ""


def degrees_said(room: Room, degrees: Degrees, until: Until = None) -> str:
    """Set the heating."""
    return ""


def another_default(room: Room, degrees: Degrees = 21, until: Until = None) -> str:
    """Set the heating."""
    return ""


def silent(room: Room, degrees: Degrees = 20, until: Until = None) -> str:
    return f"The heating in the {room} is set to {degrees} degrees."


def never_ends(room: Room, degrees: Degrees = 20, until: Until = None) -> str:
    """Set the heating."""
    return f"The heating in the {room} is set to {degrees} degrees."


def as_float(room: Room, degrees: Annotated[float, Range(5, 30)] = 20.0, until: Until = None) -> str:
    """Set the heating."""
    return ""


def pairs_of(text, strict=True, colons=1, lone=True, last=True, twice=True, numbered=True, blank=True, strip=True):
    """A parser that can be told to overlook things."""
    pairs, user = [], None

    def wrong(number, what):
        raise ValueError(f"line {number}: {what}" if numbered else what)

    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            if blank or not line:
                continue
            wrong(number, "blank")
        if line.startswith("### User:"):
            if user is not None and twice:
                wrong(number, "a second user")
            said = line.removeprefix("### User:")
            user = (said.strip() if strip else said[1:]) if colons else said.split(":")[0].strip()
            where = number
        elif line.startswith("### Assistant:"):
            if user is None:
                if lone:
                    wrong(number, "a lone call")
                continue
            call = line.removeprefix("### Assistant:")
            pairs.append((user, call.strip() if strip else call[1:]))
            user = None
        elif strict:
            wrong(number, "another line")
    if user is not None and last:
        wrong(where, "no call")
    return pairs


def last_line(text):
    try:
        return pairs_of(text)
    except ValueError:
        raise ValueError(f"line {99}: something is wrong") from None


def fits_of(value, schema, booleans=True, nan=True, empty=True, convert=False, bounds=True, edge=True, options=True):
    """A check of values that can be told to overlook things."""
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    if convert and schema["type"] == "integer":
        try:
            value = int(value)
        except (TypeError, ValueError):
            return False
    if not isinstance(value, kinds[schema["type"]]):
        return False
    if booleans and isinstance(value, bool) and schema["type"] != "boolean":
        return False
    if options and "enum" in schema:
        return value in schema["enum"]
    if schema["type"] == "string":
        return (not empty or value != "") and len(value) <= schema.get("maxLength", len(value))
    if schema["type"] == "boolean":
        return True
    if nan and value != value:
        return False
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    if not bounds:
        return True
    if not edge:
        return not (value <= low and "minimum" in schema) and not (value >= high and "maximum" in schema)
    return not (value < low) and not (value > high)


def mask_of(vocabulary, texts, written, end=True, whole=False, wrong=True, single=False):
    found = []
    for token in vocabulary:
        if token == "":
            found.append(written in texts if end else True)
        elif whole:
            found.append(any(text.startswith(token) for text in texts))
        elif single:
            found.append(any(text[len(written) :][:1] == token[:1] for text in texts if text.startswith(written)))
        else:
            found.append(
                any((written + token) in text if not wrong else text.startswith(written + token) for text in texts)
            )
    return found


def softmax(logs):
    weights = {name: math.exp(value) for name, value in logs.items()}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def right_shares(logs):
    top = max(logs.values())
    weights = {name: math.exp(value - top) for name, value in logs.items()}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def rates(nones, nothing, thresholds, strict=False, together=False, raises=True, swapped=False, flipped=False):
    quiet = [value for value, asked in zip(nones, nothing, strict=True) if asked]
    wanted = [value for value, asked in zip(nones, nothing, strict=True) if not asked]
    if raises and (not quiet or not wanted):
        raise ValueError("a kind is missing")
    found = []
    for t in thresholds:
        triggers = sum(value <= t if strict else value < t for value in quiet)
        misses = sum(value > t if strict else value >= t for value in wanted)
        if flipped:
            triggers, misses = len(quiet) - triggers, len(wanted) - misses
        divisors = [len(nones)] * 2 if together else [max(len(quiet), 1), max(len(wanted), 1)]
        pair = (triggers / divisors[0], misses / divisors[1])
        found.append(pair[::-1] if swapped else pair)
    return found


def wins(nones, nothing, ties=0.5, raises=True, divide=True, flipped=False):
    quiet = [value for value, asked in zip(nones, nothing, strict=True) if asked]
    wanted = [value for value, asked in zip(nones, nothing, strict=True) if not asked]
    if not quiet or not wanted:
        if raises:
            raise ValueError("a kind is missing")
        return 0.5
    if flipped:
        quiet, wanted = wanted, quiet
    won = sum((one > other) + ties * (one == other) for one in quiet for other in wanted)
    return won / (len(quiet) * len(wanted)) if divide else won


WRONG = [
    ("06.1", named(without_types), "parameter room has no type"),
    ("06.1", named(any_room), "there is no attic"),
    ("06.1", named(no_bounds), "the minimum is 5 degrees"),
    ("06.1", named(any_time), "24:00 does not match"),
    ("06.1", named(degrees_said), "`degrees` and `until` have defaults"),
    ("06.1", named(another_default), "the defaults"),
    ("06.1", named(silent), "no docstring"),
    ("06.1", named(never_ends), "until 22:00"),
    ("06.1", named(as_float), "degrees are whole numbers"),
    ("06.1", named(lambda room: ""), "expected '-> str'|write '-> str'"),
    ("06.2", lambda text: pairs_of(text, strict=False), "after a good one\\): got"),
    ("06.2", lambda text: pairs_of(text, colons=0), "further colons"),
    ("06.2", lambda text: pairs_of(text, twice=False), "a second user before a call"),
    ("06.2", lambda text: pairs_of(text, lone=False), "a call without a user"),
    ("06.2", lambda text: pairs_of(text, last=False), "at the end who got no call"),
    ("06.2", lambda text: pairs_of(text, numbered=False), "'another line' omits line"),
    ("06.2", lambda text: pairs_of(text, blank=False), "ValueError: line 3: blank"),
    ("06.2", lambda text: pairs_of(text, strip=False), "White space around"),
    ("06.2", last_line, "line 99"),
    ("06.3", lambda value, schema: fits_of(value, schema, booleans=False), "In Python True is an int"),
    ("06.3", lambda value, schema: fits_of(value, schema, nan=False), "nan is not a number"),
    ("06.3", lambda value, schema: fits_of(value, schema, empty=False), "An empty text"),
    ("06.3", lambda value, schema: fits_of(value, schema, convert=True), "nothing is converted"),
    ("06.3", lambda value, schema: fits_of(value, schema, bounds=False), "The minimum is 1"),
    ("06.3", lambda value, schema: fits_of(value, schema, edge=False), "The bounds are allowed"),
    ("06.3", lambda value, schema: fits_of(value, schema, options=False), "none of the options"),
    ("06.3", lambda value, schema: bool(value) and fits_of(value, schema), "False fits"),
    ("06.4", lambda v, t, w: mask_of(v, t, w, end=False), "EOS is allowed only"),
    ("06.4", lambda v, t, w: mask_of(v, t, w, whole=True), "depends on the written text"),
    ("06.4", lambda v, t, w: mask_of(v, t, w, wrong=False), "has to begin with the written text"),
    ("06.4", lambda v, t, w: mask_of(v, t, w, single=True), "beyond the end of the text"),
    (
        "06.4",
        lambda v, t, w: [token for token, may in zip(v, mask_of(v, t, w), strict=True) if may],
        "got the tokens",
    ),
    ("06.5", softmax, "ZeroDivisionError"),
    ("06.5", lambda logs: {name: math.exp(value) for name, value in logs.items()}, "0.3 of 0.4"),
    ("06.5", lambda logs: list(right_shares(logs).values()), "expected a dict"),
    ("06.5", lambda logs: {name: 100 * value for name, value in right_shares(logs).items()}, "which sums to 100"),
    ("06.6", lambda *given: rates(*given, strict=True), "exactly the threshold"),
    ("06.6", lambda *given: rates(*given, together=True), "a share of its own kind"),
    ("06.6", lambda *given: rates(*given, raises=False), "a kind is missing"),
    ("06.6", lambda *given: rates(*given, swapped=True), "false triggers come first"),
    ("06.6", lambda *given: rates(*given, flipped=True), "that were right"),
    ("06.7", lambda *given: wins(*given, ties=0), "got 0.0, expected 0.5"),
    ("06.7", lambda *given: wins(*given, ties=1), "got 1.0, expected 0.5"),
    ("06.7", lambda *given: wins(*given, raises=False), "a kind is missing"),
    ("06.7", lambda *given: wins(*given, divide=False), "divide by the number of pairs"),
    ("06.7", lambda *given: wins(*given, flipped=True), "the other order"),
]
