"""Skills from a YAML file: {name: {description, parameters: {name: JSON Schema}}}. No code runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab_lib.calls.schema import Function
from lab_lib.calls.skills.parameters import make_parameter
from lab_lib.calls.skills.skill import Skill
from lab_lib.errors import LabError, nearest, shown
from lab_lib.files import read_text
from lab_lib.yaml_values import problem, read_yaml

FIELDS = ("description", "parameters")


def described_skills(path: Path) -> list[Skill]:
    """Return the skills that a YAML file describes, in its order.

    A parameter without `default` is required; `default: null` makes it optional. A `pattern` must match the whole text.
    Raises LabError for invalid YAML and for every key, type or bound that is not accepted.
    """
    try:
        found = read_yaml(read_text(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise LabError(f"{path}: {f'line {mark.line + 1}: ' if mark else ''}{problem(error)}") from None
    return [_skill(name, entry, path) for name, entry in _mapping(found, str(path)).items()]


def _skill(name: str, entry: Any, path: Path) -> Skill:
    where = f"{path}: {name}"
    for key in _mapping(entry, where):
        if key not in FIELDS:
            raise LabError(f"{where}: key {shown(key)} is not supported{nearest(key, FIELDS)}")
    description = entry.get("description")
    if not isinstance(description, str) or not description.strip():
        raise LabError(f"{where}: no description; write what the skill does, the model reads it")
    given = _mapping(entry.get("parameters") or {}, f"{where}, parameters")
    schemas = {key: _mapping(schema, f"{where}, parameter {key}") for key, schema in given.items()}
    parameters = tuple(make_parameter(key, schema, where) for key, schema in schemas.items())
    required = tuple(one.name for one in parameters if "default" not in one.raw)
    return Skill(Function(name, " ".join(description.split()), parameters, required), path)


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Return a mapping with texts as keys. Raises LabError for anything else."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise LabError(f"{where}: expected a mapping by name, found {shown(value)}")
    return value
