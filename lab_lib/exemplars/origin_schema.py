"""Read functions from schema files of other tools: a list of OpenAI functions or tools, OpenAPI, or {skills, slots}.

Names become snake_case, as everywhere here. What a function here cannot express (nested objects, unknown keywords) is
omitted and recorded with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_lib.calls.schema import Function, Parameter
from lab_lib.calls.skills.parameters import COMMON, KEYS, make_parameter
from lab_lib.calls.skills.skill import Skill, Skills
from lab_lib.calls.skills.values import inner
from lab_lib.corpora.types import Dropped
from lab_lib.errors import LabError, shown
from lab_lib.exemplars.schema_functions import Names, functions_of, slot_name, snake
from lab_lib.files import read_json

SCHEMAS = ("schema.json", "schemas.json")
VERBS = ("get", "put", "post", "delete", "patch", "head", "options")
NESTED = "parameter: a nested object, which calls here do not support"


@dataclass(frozen=True)
class Raw:
    """A function as in its file: {parameter: JSON Schema}, and the names of the required ones."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    required: frozenset[str] = field(default_factory=frozenset)


def read_origin_schema(path: Path) -> tuple[Skills, list[Dropped]]:
    """Return (functions of a schema file, omissions with reasons).

    Raises LabError for an unknown format, a function without a name or description, and equal names.
    """
    found = read_json(path)
    if isinstance(found, list) and found and all(isinstance(one, Mapping) and "service_name" in one for one in found):
        return functions_of(found, str(path), Names.of([found], str(path))), []
    dropped: list[Dropped] = []
    skills = [_skill(raw, f"{path}: {raw.name}", path, dropped) for raw in _raws(found, path)]
    if not skills:
        raise LabError(f"{path}: no function in it")
    return Skills(skills), dropped


def origin_name(name: str) -> str:
    """Return the name of a function in the convention of this package.

    >>> origin_name("MakeReservation"), origin_name("pets.list-all")
    ('make_reservation', 'pets_list_all')
    """
    return snake(re.sub(r"[\W_]+", "_", name).strip("_"))


def _raws(found: Any, path: Path) -> Iterator[Raw]:
    if isinstance(found, list):
        return (_openai(one, f"{path}: entry {number}") for number, one in enumerate(found, 1))
    if isinstance(found, Mapping) and isinstance(found.get("skills"), Mapping):
        slots = found.get("slots", {})
        return (_frame(key, one, slots, str(path)) for key, one in found["skills"].items())
    if isinstance(found, Mapping) and isinstance(found.get("paths"), Mapping):
        return _openapi(found, str(path))
    raise LabError(f"{path}: expected a list of functions, OpenAPI with 'paths', or 'skills' with 'slots'; "
                   f"found {shown(found)}")  # fmt: skip


def _openai(raw: Any, where: str) -> Raw:
    function = raw.get("function", raw) if isinstance(raw, Mapping) else raw
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise LabError(f"{where}: expected a function with 'name', 'description' and 'parameters', found {shown(raw)}")
    parameters = _object(function.get("parameters") or {}, where)
    required = _names(parameters.get("required", []), where)
    return Raw(function["name"], str(function.get("description") or ""), _properties(parameters, where), required)


def _frame(key: str, raw: Any, slots: Any, where: str) -> Raw:
    """Return a skill, with slots from the shared list; all slots are optional strings, since no types are read."""
    where = f"{where}: skill {shown(key)}"
    skill, described = _object(raw, where), _object(slots, f"{where}, slots")
    found = {}
    for label in sorted(_names(skill.get("slots", []), where)):
        slot = _object(described.get(label), f"{where}, slot {shown(label)}")
        found[str(slot.get("name") or label)] = {"type": "string", "description": str(slot.get("description") or "")}
    return Raw(str(skill.get("name") or key), str(skill.get("description") or ""), found)


def _openapi(found: Mapping[str, Any], where: str) -> Iterator[Raw]:
    """Yield the operations; one without parameters takes those of the component with its name."""
    components = found.get("components", {})
    shapes = components.get("schemas", {}) if isinstance(components, Mapping) else {}
    for path, verbs in found["paths"].items():
        for verb, operation in _object(verbs, f"{where}: {path}").items():
            if verb.lower() not in VERBS:
                continue
            here = f"{where}: {verb} {path}"
            name = _object(operation, here).get("operationId")
            if not isinstance(name, str):
                raise LabError(f"{here}: 'operationId' is {shown(name)}, expected the name of the function")
            given = [_object(one, f"{here}, parameters") for one in operation.get("parameters", [])]
            shape = _object(shapes.get(name, {}), f"{where}: components.schemas.{name}")
            told = operation.get("description") or operation.get("summary") or shape.get("description")
            if given:
                pairs = {str(one.get("name")): _object(one.get("schema", one), here) | _described(one) for one in given}
                needed = frozenset(str(one.get("name")) for one in given if one.get("required"))
            else:
                pairs, needed = dict(_properties(shape, here)), _names(shape.get("required", []), here)
            yield Raw(name, str(told or ""), pairs, needed)


def _described(raw: Mapping[str, Any]) -> dict[str, str]:
    return {"description": str(raw["description"])} if raw.get("description") else {}


def _skill(raw: Raw, where: str, path: Path, dropped: list[Dropped]) -> Skill:
    if not raw.description.strip():
        raise LabError(f"{where}: no description; retrieval needs it to find the function")
    parameters = [made for slot, schema in raw.parameters.items()
                  if (made := _parameter(raw, slot, schema, where, dropped)) is not None]  # fmt: skip
    needed = tuple(one.name for one in parameters if "default" not in one.raw)
    return Skill(Function(origin_name(raw.name), " ".join(raw.description.split()), tuple(parameters), needed), path)


def _parameter(raw: Raw, slot: str, schema: Any, where: str, dropped: list[Dropped]) -> Parameter | None:
    """Return a parameter; None if calls here cannot express it."""
    plain = _object(schema, f"{where}, parameter {shown(slot)}")
    kinds = plain.get("type")
    if isinstance(kinds, list):
        plain["type"] = next((kind for kind in kinds if kind != "null"), None)
    items = plain.get("items")
    nested = isinstance(items, Mapping) and items.get("type") not in KEYS
    if "$ref" in plain or plain.get("type") == "object" or nested:
        dropped.append(Dropped(f"{where}.{slot}", NESTED))
        return None
    kind = plain.setdefault("type", "string")
    allowed = ("description", "type", *(("enum",) if "enum" in plain else KEYS.get(str(kind), ())))
    dropped += [Dropped(f"{where}.{slot}", f"keyword {key}: not read") for key in plain
                if key not in (*allowed, *COMMON)]  # fmt: skip
    kept = {key: plain[key] for key in allowed if key in plain}
    if "pattern" in kept:
        kept["pattern"] = inner(str(kept["pattern"]))
    if slot not in raw.required:
        kept["default"] = None
    return make_parameter(slot_name("", slot), kept, where)


def _object(found: Any, where: str) -> dict[str, Any]:
    if not isinstance(found, Mapping):
        raise LabError(f"{where}: expected an object, found {shown(found)}")
    return dict(found)


def _properties(found: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    return _object(found.get("properties", {}), f"{where}, properties")


def _names(found: Any, where: str) -> frozenset[str]:
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise LabError(f"{where}: expected a list of names, found {shown(found)}")
    return frozenset(found)
