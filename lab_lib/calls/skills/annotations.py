"""From a Python annotation to the schema of a parameter: str, int, float, bool, Literal, list, Optional, Annotated."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from lab_lib.calls.skills.bounds import Length, Pattern, Range
from lab_lib.errors import LabError

PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}
ACCEPTED = "str, int, float, bool, Literal, Optional, list, and Annotated with Range, Length or Pattern"


def schema_of(annotation: Any, where: str) -> tuple[dict[str, Any], bool]:
    """Return (JSON Schema, whether None is accepted) of an annotation. Raises LabError for every other one.

    >>> schema_of(list[Annotated[int, Range(1, 9)]], "f")
    ({'type': 'array', 'items': {'type': 'integer', 'minimum': 1, 'maximum': 9}}, False)
    """
    outside, markers = _unwrapped(annotation)
    inside = [one for one in get_args(outside) if one is not type(None)]
    optional = get_origin(outside) in (Union, types.UnionType) and len(inside) == 1
    if optional:
        outside, more = _unwrapped(inside[0])
        markers = [*markers, *more]
    return {**_base(outside, where), **_bounds(outside, markers, where)}, optional


def _unwrapped(annotation: Any) -> tuple[Any, list[Any]]:
    """Return the type inside Annotated and its markers."""
    if get_origin(annotation) is not Annotated:
        return annotation, []
    inner, *markers = get_args(annotation)
    return inner, markers


def _base(annotation: Any, where: str) -> dict[str, Any]:
    if annotation in PLAIN:
        return {"type": PLAIN[annotation]}
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        kinds = {type(option) for option in inside}
        if kinds not in ({str}, {int}):
            raise LabError(
                f"{where}: {_shown(annotation)}: the options of a Literal are all texts or all whole numbers"
            )
        return {"type": PLAIN[kinds.pop()], "enum": list(inside)}
    if list in (annotation, origin) and not inside:  # list, or typing.List
        raise LabError(f"{where}: a list needs the type of its elements; write for example 'list[str]'")
    if origin is list:
        schema, optional = schema_of(inside[0], f"{where}, elements")
        if not optional and schema["type"] != "array":
            return {"type": "array", "items": schema}
    raise LabError(f"{where}: {_shown(annotation)} is not a type of a parameter; accepted: {ACCEPTED}")


def _bounds(annotation: Any, markers: Sequence[Any], where: str) -> Mapping[str, Any]:
    """Return the keywords of a type's markers. Raises LabError for a marker that does not fit the type."""
    found: dict[str, Any] = {}
    for marker in markers:
        keys = _keywords(annotation, marker)
        if not keys or found.keys() & keys:
            raise LabError(f"{where}: {marker!r} does not bound {_shown(annotation)}; accepted: {ACCEPTED}")
        found |= keys
    return {key: value for key, value in found.items() if value is not None}


def _keywords(annotation: Any, marker: Any) -> dict[str, Any]:
    """Return the JSON Schema keywords of one marker; none if it does not fit the type."""
    if isinstance(marker, Range) and annotation in (int, float):
        return {"minimum": marker.low, "maximum": marker.high}
    if isinstance(marker, Length) and annotation is str:
        return {"minLength": marker.low, "maxLength": marker.high}
    if isinstance(marker, Length) and get_origin(annotation) is list:
        return {"minItems": marker.low, "maxItems": marker.high}
    return {"pattern": marker.expression} if isinstance(marker, Pattern) and annotation is str else {}


def _shown(annotation: Any) -> str:
    """Return an annotation as it is written in a signature."""
    return annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
