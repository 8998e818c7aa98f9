"""One parameter of a skill, checked: both Python annotations and YAML entries become JSON Schema here."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from typing import Any

from lab_lib.calls.schema import Parameter
from lab_lib.calls.skills.bounds import LIMITS
from lab_lib.calls.skills.values import Unfit, anchored, fitted
from lab_lib.errors import LabError, nearest, shown

KEYS: Mapping[str, tuple[str, ...]] = {
    "string": ("enum", "minLength", "maxLength", "pattern"),
    "integer": ("enum", "minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "boolean": (),
    "array": ("items", "minItems", "maxItems"),
}
COMMON = ("type", "default", "description")
PAIRS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))
ENDLESS = (float("inf"), -float("inf"))
TYPE_NAMES = {"number": "float"}  # official function descriptions use these words instead of JSON Schema's
LONGEST_NAME = 64  # of a tool, by the rules of OpenAI's interface


def check_name(name: str, what: str, where: str) -> str:
    """Return a name that is valid in a call. Raises LabError for any other.

    Names begin with a letter and contain only ASCII letters, digits and underscores, so that no two look alike.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name) or "__" in name:
        rules = "expected ASCII letters, digits and single underscores"
        raise LabError(f"{where}: {what} {shown(name)}: {rules}{'; hyphens are not supported' if '-' in name else ''}")
    if len(name) > LONGEST_NAME:
        raise LabError(f"{where}: {what} {shown(name)}: at most {LONGEST_NAME} characters")
    return name


def make_parameter(name: str, schema: Mapping[str, Any], where: str) -> Parameter:
    """Return a parameter from its JSON Schema; `default: null` makes it optional: null is then a value too.

    Raises LabError for a name, type, keyword, bound or default that is not accepted.
    """
    check_name(name, "parameter", where)
    where = f"{where}, parameter {name}"
    plain = _checked({key: value for key, value in schema.items() if key not in ("default", "description")}, where)
    kind, items = plain["type"], plain.get("items", {}).get("type")
    description = schema.get("description", "")
    if not isinstance(description, str):
        raise LabError(f"{where}: 'description' is {shown(description)}, expected a text")
    raw = {**plain, **_default(schema, plain, where), **({"description": description} if description else {})}
    named = [TYPE_NAMES.get(word, word) for word in (kind, items) if word]
    return Parameter(name, named[0], named[1] if items else None, description, raw)


def _checked(schema: Mapping[str, Any], where: str, inside_list: bool = False) -> dict[str, Any]:
    """Return the schema of a type with its bounds, keywords in a fixed order."""
    kind = schema.get("type")
    kinds = [name for name in KEYS if name != "array" or not inside_list]
    if kind not in kinds:
        raise LabError(f"{where}: type {shown(kind)} is not supported{nearest(str(kind), kinds)}")
    allowed = ("type", *KEYS[kind])
    for key in schema:
        if key not in allowed:
            valid = allowed if inside_list else {*allowed, *COMMON}
            raise LabError(f"{where}: keyword {shown(key)} is not supported for type {kind}{nearest(key, valid)}")
    found = {key: schema[key] for key in allowed if key in schema}
    if "enum" in found:
        return {"type": kind, "enum": _options(found, kind, where)}
    for low, high in PAIRS:
        _check_pair(found, low, high, where)
    if "pattern" in found:
        found["pattern"] = _pattern(found["pattern"], where)
    if kind == "array":
        if not isinstance(found.get("items"), Mapping):
            raise LabError(f"{where}: a list needs 'items', the type of its elements")
        found["items"] = _checked(found["items"], f"{where}, elements", inside_list=True)
    return found


def _options(found: Mapping[str, Any], kind: str, where: str) -> list[Any]:
    """Return the options of a parameter: texts or whole numbers, at least one, each once, and no bounds beside them."""
    options, types = found["enum"], {"string": str, "integer": int}
    if not isinstance(options, list) or not options or any(type(one) is not types[kind] for one in options):
        raise LabError(f"{where}: options {shown(options)}: expected a list of values of type {kind}")
    if len(set(options)) < len(options):
        raise LabError(f"{where}: options {shown(options)}: an option occurs twice")
    if others := found.keys() - {"type", "enum"}:
        raise LabError(f"{where}: options need no {min(others)}")
    return list(options)


def _check_pair(found: Mapping[str, Any], low: str, high: str, where: str) -> None:
    """Raise LabError unless two bounds are finite numbers, the lower one first; sizes are whole and not negative."""
    for key in (low, high):
        bound = found.get(key, 0)
        whole = found["type"] != "number"
        kinds = int if whole else (int, float)
        if isinstance(bound, bool) or not isinstance(bound, kinds) or bound in ENDLESS or bound != bound:
            raise LabError(f"{where}: {key} is {shown(bound)}, expected a {'whole number' if whole else 'number'}")
        if low != "minimum" and bound < 0:
            raise LabError(f"{where}: {key} is {bound}, expected at least 0")
    limits = {**LIMITS[found["type"]], **found}
    if low in limits and high in limits and not limits[low] <= limits[high]:
        raise LabError(f"{where}: {low} {limits[low]} lies above {high} {limits[high]}")


def _pattern(expression: Any, where: str) -> str:
    try:
        re.compile(expression, re.ASCII)
    except (re.error, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise LabError(f"{where}: pattern {shown(expression)}: {error}") from None
    return anchored(expression)


def _default(schema: Mapping[str, Any], plain: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the schema keywords of a default, if there is one; the default None also adds null to types and
    options."""
    if "default" not in schema:
        return {}
    if schema["default"] is None:
        options = {"enum": [*plain["enum"], None]} if "enum" in plain else {}
        return {"type": [plain["type"], "null"], **options, "default": None}
    try:
        return {"default": fitted(schema["default"], plain)}
    except Unfit as error:
        raise LabError(f"{where}: the default {error}") from None
