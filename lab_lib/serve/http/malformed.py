"""The first fault of a request that breaks its description, in words, and where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.errors import one_line, shown

Place = tuple[str | int, ...]  # the keys and indices that lead to a value of the body
UNSUPPORTED = "unsupported"  # type of an error of ours: a setting that is accepted only where it changes nothing
WORDS = {
    "missing": " is missing",
    "extra_forbidden": " is not supported",
    UNSUPPORTED: " is not supported",
    "model_attributes_type": " should be an object",
    "dict_type": " should be an object",
    "model_type": " should be an object",
}


def first_fault(errors: Sequence[Mapping[str, Any]], body: Any) -> tuple[str, str]:
    """Return (one line about the first of pydantic's errors, its place in the body).

    Where a value fits none of several forms, pydantic reports every form: the form that it fits best is meant.
    """
    places = [_place(error, body) for error in errors]
    first = places[0]
    forms = [(place, error) for place, error in zip(places, errors, strict=True) if place[: len(first)] == first]
    place, error = max(forms, key=lambda one: len(one[0]))
    others = len({other for other in places if other[: len(first)] != first})
    found = "" if error["type"] == "missing" else f", found {shown(error['input'])}"
    more = f" (and {others} more)" if others else ""
    return one_line(f"{_text(place) or 'the body'}{_words(error)}{found}{more}"), _text(place)


def _words(error: Mapping[str, Any]) -> str:
    message = str(error["msg"])
    plain = f" {message.removeprefix('Input ')}" if message.startswith("Input should") else f": {message}"
    return WORDS.get(error["type"], plain)


def _place(error: Mapping[str, Any], body: Any) -> Place:
    """Return the steps of an error's location that lead through the body, without the names of types."""
    steps, found, node = error["loc"], list[str | int](), body
    for step in steps[1:] if steps[0] == "body" else steps:
        inside = isinstance(node, Mapping) and step in node
        if inside or (isinstance(node, list) and isinstance(step, int) and step < len(node)):
            node = node[step]
            found.append(step)
        elif error["type"] == "missing" and step == steps[-1]:
            found.append(step)
    return tuple(found)


def _text(place: Place) -> str:
    """Return a place as it is written in a message.

    >>> _text(("messages", 0, "content"))
    'messages[0].content'
    """
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
