"""Bounds of a parameter in its type, `Annotated[int, Range(1, 1440)]`, and the default limits.

Every text, number and list has a limit, because a model under a grammar without limits may never stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_LENGTH = 200  # characters of a text; longer spoken values are rare, and each may cost four tokens
MAX_NUMBER = 1_000_000_000  # the size of a number, with either sign
MAX_DECIMALS = 6  # digits behind the point of a float
MAX_ITEMS = 10  # elements of a list


@dataclass(frozen=True)
class Range:
    """The smallest and the largest number, both included; None: the default limit."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Length:
    """The minimum and maximum of characters of a text or elements of a list; None: the default limit."""

    low: int | None = None
    high: int | None = None


@dataclass(frozen=True)
class Pattern:
    """A regular expression that the whole text has to match, by ASCII rules as in JSON Schema."""

    expression: str


# {type of JSON Schema: the keywords of its default limits}
LIMITS: Mapping[str, Mapping[str, Any]] = {
    "string": {"minLength": 1, "maxLength": MAX_LENGTH},  # an empty text has no meaning
    "integer": {"minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
    "number": {"minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
    "boolean": {},
    "array": {"maxItems": MAX_ITEMS},
}


def kind_of(schema: Mapping[str, Any]) -> str:
    """Return the type of a parameter's schema, "null" left aside.

    >>> kind_of({"type": ["string", "null"]}), kind_of({"type": "array"})
    ('string', 'array')
    """
    named = schema["type"]
    return str(named if isinstance(named, str) else named[0])


def is_optional(schema: Mapping[str, Any]) -> bool:
    """Return whether None may stand for a parameter's value; it then means the same as leaving the parameter out."""
    return not isinstance(schema["type"], str)


def limited(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema with default limits added; its own bounds stay.

    >>> limited({"type": "string", "maxLength": 40})
    {'minLength': 1, 'maxLength': 40, 'type': 'string'}
    """
    if "enum" in schema:
        return dict(schema)
    filled = {**LIMITS[kind_of(schema)], **schema}
    return {**filled, "items": limited(schema["items"])} if "items" in schema else filled
