"""YAML recipes and `key=value` overrides to frozen dataclasses, and back.

The dataclasses hold every default; a recipe writes only what differs. Unknown keys, wrong types and values outside
a `Literal` are errors that name the nearest valid one. Nothing is executed: values are parsed as YAML scalars.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import yaml

from lab_lib.errors import LabError, nearest

Config = TypeVar("Config")


def build(cls: type[Config], values: Mapping[str, Any], where: str = "config") -> Config:
    """Build dataclass `cls` from a nested mapping, checking every key and type.

    Raises LabError naming `where`, the dotted key and what was expected.
    """
    if not isinstance(values, Mapping):
        raise LabError(f"{where}: expected a mapping of settings, found {type(values).__name__}")
    hints = typing.get_type_hints(cls)
    known = {knob.name for knob in dataclasses.fields(cls)}  # type: ignore[arg-type]
    ready = {}
    for key, value in values.items():
        if key not in known:
            raise LabError(f"{where}: unknown key '{key}'{nearest(key, known)}")
        ready[key] = _convert(hints[key], value, f"{where}: {key}")
    try:
        return cls(**ready)
    except TypeError as error:  # a field without default is missing
        raise LabError(f"{where}: {str(error).split('__init__() ')[-1]}") from None


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Return `value` as the annotated type, or raise a LabError that says what was expected."""
    if dataclasses.is_dataclass(hint):
        if isinstance(value, hint):  # type: ignore[arg-type]
            return value
        return build(hint, value or {}, where)  # type: ignore[arg-type]
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = [option for option in options if option is not type(None)]
        return None if value is None and len(inner) < len(options) else _convert(inner[0], value, where)
    if origin is typing.Literal:
        if value not in options:
            raise LabError(f"{where}: '{value}' is not possible{nearest(value, map(str, options))}")
        return value
    if origin is tuple:
        items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        return tuple(_convert(options[0], item, where) for item in items)
    return _scalar(hint, value, where)


def _scalar(hint: type, value: Any, where: str) -> Any:
    """Check one scalar. An integer may stand for a float; YAML reads `2e-4` as text, so numeric text may too."""
    if hint is float and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    elif type(value) is hint:
        return value
    raise LabError(f"{where}: expected {hint.__name__}, found '{value}' ({type(value).__name__})")


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Parse a YAML mapping safely. Raises LabError with file and line."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        raise LabError(f"{where}:{line} not valid YAML: {getattr(error, 'problem', error)}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise LabError(f"{where}: expected a mapping of settings, found {type(value).__name__}")
    return value


def override(values: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Return `values` with `section.key=value` assignments applied; the value is read as YAML.

    >>> override({"training": {"steps": 10}}, ["training.steps=20", "seed=3"])
    {'training': {'steps': 20}, 'seed': 3}
    """
    result = {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or path.startswith("-"):
            raise LabError(f"'{assignment}': expected key=value, for example training.steps=100")
        node = result
        *parents, last = path.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise LabError(f"'{assignment}': '{parent}' is a single value, not a section")
        node[last] = _yaml_scalar(text, assignment)
    return result


def _yaml_scalar(text: str, assignment: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise LabError(f"'{assignment}': the value is not valid YAML") from None


def as_dict(config: Any) -> dict[str, Any]:
    """Return a config dataclass as plain nested dicts and lists, ready for YAML or JSON."""
    return {
        knob.name: as_dict(value)
        if dataclasses.is_dataclass(value := getattr(config, knob.name))
        else list(value)
        if isinstance(value, tuple)
        else value
        for knob in dataclasses.fields(config)
    }


def to_yaml(config: Any) -> str:
    """Return the resolved config as YAML, keys in the order of the dataclass."""
    return yaml.safe_dump(as_dict(config), sort_keys=False, allow_unicode=True)
