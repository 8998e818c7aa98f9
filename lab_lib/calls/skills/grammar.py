"""One JSON Schema of all calls of some skills, in which every value has a limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_lib.calls.skills.bounds import MAX_DECIMALS, is_optional, limited
from lab_lib.calls.skills.skill import NO_SKILL, Skill, Skills

DECIMALS = "x-maxDecimals"  # decimals of a number: JSON Schema has no exact keyword for it


def grammar_schema(skills: Skills) -> dict[str, Any]:
    """Return the schema of {name, arguments} for every skill, and for `none`; keys stand in the order to write them.

    Texts have a maxLength or are options, numbers have a minimum and maximum (and DECIMALS), lists a maxItems. Null is
    not a value here: such an argument is omitted. Every instance is a call that `check_call` accepts, and every call
    that `check_call` returns is an instance.
    """
    nothing = _call(NO_SKILL, {}, [])
    return {"anyOf": [*(_call(name, *_arguments(skill)) for name, skill in skills.items()), nothing]}


def _call(name: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    arguments = {"properties": properties, "required": required, "additionalProperties": False}
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "arguments": {"type": "object", **arguments}},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _arguments(skill: Skill) -> tuple[dict[str, Any], list[str]]:
    return {one.name: value_schema(one.raw) for one in skill.function.parameters}, list(skill.function.required)


def value_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of one value: without texts, default and null, with all limits."""
    plain = {key: value for key, value in schema.items() if key not in ("default", "description")}
    if is_optional(schema):
        plain["type"] = schema["type"][0]
        plain |= {"enum": [option for option in schema["enum"] if option is not None]} if "enum" in schema else {}
    filled = limited(plain)
    if "items" in filled:
        filled["items"] = value_schema(filled["items"])
    return {**filled, DECIMALS: MAX_DECIMALS} if filled["type"] == "number" else filled
