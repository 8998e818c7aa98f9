"""Check values of parameters: the strict subset of JSON Schema that skills use, with a reason for every refusal."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from lab_lib.calls.skills.bounds import MAX_DECIMALS, is_optional, kind_of, limited
from lab_lib.errors import nearest, shown

NAMES = {"string": "a text", "integer": "a whole number", "number": "a number", "boolean": "True or False",
         "array": "a list"}  # fmt: skip


class Unfit(ValueError):
    """A value that a parameter does not accept: `reason` is type, option or bound; the message gives details."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


def fitted(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return a value converted for a parameter: a whole number becomes a float if the parameter is a float.

    No other value is converted: "5", 5.0 and True are not whole numbers. Raises Unfit.

    >>> fitted(5, {"type": "number"})
    5.0
    """
    if value is None and is_optional(schema):
        return None
    kind = kind_of(schema)
    if not _is_kind(value, kind):
        raise Unfit("type", f"is {shown(value)}, expected {NAMES[kind]}")
    if "enum" in schema:
        return _option(value, schema["enum"])
    schema = limited(schema)
    if kind == "string":
        return _text(value, schema)
    if kind == "array":
        return _list(value, schema)
    return _number(value, schema, kind) if kind in ("integer", "number") else value


def _is_kind(value: Any, kind: str) -> bool:
    """Return whether a value has a type; True and False are not numbers, and subclasses count as their base class."""
    types = {"string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "array": (list,)}[kind]
    return isinstance(value, types) and (kind == "boolean" or not isinstance(value, bool))


def _option(value: Any, options: list[Any]) -> Any:
    if value not in options:
        raise Unfit("option", f"is {shown(value)}{nearest(value, [str(one) for one in options if one is not None])}")
    return value


def _text(value: str, schema: Mapping[str, Any]) -> str:
    _sized(len(value), schema["minLength"], schema["maxLength"], "characters")
    if any("\ud800" <= sign <= "\udfff" for sign in value):
        raise Unfit("type", "holds half of a surrogate pair, which is not a character")
    if "pattern" in schema and not re.fullmatch(inner(schema["pattern"]), value, re.ASCII):
        raise Unfit("bound", f"is {shown(value)}, expected a text like {inner(schema['pattern'])}")
    return value


def _list(value: list[Any], schema: Mapping[str, Any]) -> list[Any]:
    _sized(len(value), schema.get("minItems", 0), schema["maxItems"], "elements")
    found = []
    for number, item in enumerate(value, 1):
        try:
            found.append(fitted(item, schema["items"]))
        except Unfit as error:
            raise Unfit(error.reason, f"element {number}: {error}") from None
    return found


def _sized(size: int, low: int, high: int, what: str) -> None:
    if size > high:
        raise Unfit("bound", f"has {size} {what}, expected at most {high}")
    if size < low:
        raise Unfit("bound", f"has {size} {what}, expected at least {low}")


def _number(value: float, schema: Mapping[str, Any], kind: str) -> float:
    if not math.isfinite(value) if isinstance(value, float) else False:
        raise Unfit("bound", f"is {value}, expected a finite number")
    if value > schema["maximum"]:
        raise Unfit("bound", f"is {shown(value)}, expected at most {schema['maximum']}")
    if value < schema["minimum"]:
        raise Unfit("bound", f"is {shown(value)}, expected at least {schema['minimum']}")
    if kind == "integer":
        return value
    if decimals(float(value)) > MAX_DECIMALS:
        raise Unfit("bound", f"is {value}, expected at most {MAX_DECIMALS} decimals")
    return float(value) + 0.0  # -0.0 is 0.0


def decimals(value: float) -> int:
    """Return the number of decimals of a finite float.

    >>> decimals(5.0), decimals(0.25), decimals(1e-07)
    (0, 2, 7)
    """
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def anchored(expression: str) -> str:
    """Return an expression anchored for JSON Schema, so that it matches whole texts.

    >>> inner(anchored("a|b"))
    'a|b'
    """
    return f"^(?:{expression})$"


def inner(pattern: str) -> str:
    """Return the expression of an anchored pattern; any other pattern as it is."""
    return pattern[4:-2] if pattern.startswith("^(?:") and pattern.endswith(")$") else pattern
