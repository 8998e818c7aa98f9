"""YAML recipes and `key=value` overrides to frozen dataclasses, and back.

The dataclasses hold every default; a recipe writes only what differs. Unknown keys, wrong types and values outside
a `Literal` are errors that name the nearest valid one. Nothing is executed: values are read as YAML (yaml_values.py).
"""

from __future__ import annotations

import copy
import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import yaml

from lab_lib.errors import LabError, cut, nearest
from lab_lib.yaml_values import FLOAT, problem, read_yaml

Config = TypeVar("Config")
TRUTH = {"yes": "true", "on": "true", "no": "false", "off": "false"}


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
            raise LabError(f"{where}: unknown key '{cut(key)}'{nearest(cut(key), known)}")
        ready[key] = _convert(hints[key], value, f"{where}: {key}")
    try:
        return cls(**ready)
    except TypeError as error:  # a field without default is missing
        raise LabError(f"{where}: {str(error).split('__init__() ')[-1]}") from None


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Return `value` as the annotated type, or raise a LabError that says what was expected."""
    if dataclasses.is_dataclass(hint):
        section = {} if value is None else value
        return value if isinstance(value, hint) else build(hint, section, where)  # type: ignore[arg-type]
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = [option for option in options if option is not type(None)]
        return None if value is None and len(inner) < len(options) else _convert(inner[0], value, where)
    if origin is typing.Literal:
        return _option(options, value, where)
    if origin is tuple:
        items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        return tuple(_convert(options[0], item, where) for item in items)
    return _scalar(hint, value, where)


def _option(options: Sequence[Any], value: Any, where: str) -> Any:
    """Return the option equal to `value`. A whole number may stand for an option that is text (rules: 2023)."""
    candidates = (value, str(value)) if type(value) is int else (value,)
    for option in options:
        if any(type(option) is type(candidate) and option == candidate for candidate in candidates):
            return option
    raise LabError(f"{where}: '{cut(value)}' is not possible{nearest(cut(value), map(str, options))}")


def _scalar(hint: type, value: Any, where: str) -> Any:
    """Check one scalar. A whole number is accepted as a float or text, and text as a finite float."""
    if hint is str and type(value) is int:
        return str(value)
    if hint is float and (type(value) in (int, float) or (type(value) is str and re.fullmatch(FLOAT, value))):
        if math.isfinite(number := float(value)):
            return number
    elif type(value) is hint:
        return value
    found = f"'{str(value).lower() if isinstance(value, bool) else cut(value)}' ({type(value).__name__})"
    raise LabError(f"{where}: expected {hint.__name__}, found {found}{_way_out(hint, value)}")


def _way_out(hint: type, value: Any) -> str:
    """Return a hint with the probable correct spelling, or nothing.

    >>> [_way_out(int, text) for text in ("010", "1_000", "1e3", "1:30")], _way_out(bool, "off"), _way_out(str, True)
    (['; write 10', '; write 1000', '; write 1000', ''], '; write false', '; put it in quotes')
    """
    if hint is str and isinstance(value, bool | float):
        return "; put it in quotes"
    if hint is bool and str(value).lower() in TRUTH:
        return f"; write {TRUTH[str(value).lower()]}"
    if hint in (int, float) and isinstance(value, str):
        digits = value.replace("_", "").lstrip("0")
        if re.fullmatch(FLOAT, digits) and float(digits).is_integer():
            return f"; write {int(float(digits))}"
    return ""


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Parse a YAML mapping safely. Raises LabError with file and line."""
    try:
        value = read_yaml(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        raise LabError(f"{where}:{line} not valid YAML: {problem(error)}") from None
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
    result = copy.deepcopy(dict(values))
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or path.startswith("-"):
            raise LabError(f"'{cut(assignment)}': expected key=value, for example training.steps=100")
        node = result
        *parents, last = path.split(".")
        for parent in parents:
            if node.get(parent) is None:  # absent, or a section that has only comments
                node[parent] = {}
            node = node[parent]
            if not isinstance(node, dict):
                raise LabError(f"'{cut(assignment)}': '{cut(parent)}' is a single value, not a section")
        node[last] = _yaml_scalar(text, assignment)
    return result


def _yaml_scalar(text: str, assignment: str) -> Any:
    try:
        return read_yaml(text)
    except yaml.YAMLError as error:
        raise LabError(f"'{cut(assignment)}': the value is not valid YAML: {problem(error)}") from None


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
    return plain_yaml(as_dict(config))


def plain_yaml(values: Mapping[str, Any]) -> str:
    """Return nested values as YAML, keys in their order."""
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
