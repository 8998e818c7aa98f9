"""Function descriptions in the JSON format of the Berkeley Function-Calling Leaderboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab_lib.errors import LabError, nearest, shown

# The type names of a description and the Python type of a value as the official checker sees it. JSON has no
# tuples, so a tuple is compared as a list; `any` means text.
TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "any": str,
}
SLOT = "slot"  # key of a parameter's description: the state slot that its values fill


@dataclass(frozen=True)
class Parameter:
    """One parameter; `items` is the type name of the elements of an array or tuple, None for other types.

    `raw` is the complete description (default, enum, nested properties ...) from the file.
    """

    name: str
    type: str
    items: str | None
    description: str
    raw: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Function:
    """One function that may be called: its parameters in their order, and the names of the required ones."""

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    required: tuple[str, ...]

    def __post_init__(self) -> None:
        """Index the parameters by name (a cache, so that a lookup does not walk the tuple)."""
        object.__setattr__(self, "_by_name", {parameter.name: parameter for parameter in self.parameters})

    def parameter(self, name: str | None) -> Parameter | None:
        """Return the parameter of that name, None if there is none."""
        by_name: Mapping[str | None, Parameter] = self.__dict__["_by_name"]
        return by_name.get(name)


def read_function(raw: Any, where: str) -> Function:
    """Return a function description from its JSON; `where` names the record in error messages.

    Raises LabError for a missing field, an unknown type name, or a required parameter without a name.
    """
    parameters = _get(raw, "parameters", Mapping, where)
    name = _get(raw, "name", str, where)
    where = f"{where}, function {name}"
    properties = _get(parameters, "properties", Mapping, where)
    required = _get(parameters, "required", list, where) if "required" in parameters else []
    if not all(isinstance(entry, str) for entry in required):
        raise LabError(f"{where}: 'required' holds {shown(required)}, expected names")
    described = tuple(_parameter(key, entry, where) for key, entry in properties.items())
    return Function(name, str(raw.get("description", "")), described, tuple(required))


def _parameter(name: str, raw: Any, where: str) -> Parameter:
    where = f"{where}, parameter {name}"
    kind = _type(raw, where)
    items = _type(raw["items"], f"{where}, items") if TYPES[kind] is list and "items" in raw else None
    return Parameter(name, kind, items, str(raw.get("description", "")), raw)


def _type(raw: Any, where: str) -> str:
    kind = _get(raw, "type", str, where)
    if kind not in TYPES:
        raise LabError(f"{where}: unknown type {shown(kind)}{nearest(kind, TYPES)}")
    return kind


def _get(raw: Any, key: str, kind: type, where: str) -> Any:
    """Return raw[key] if it is of that kind."""
    if not isinstance(raw, Mapping):
        raise LabError(f"{where}: expected an object, found {shown(raw)}")
    if not isinstance(raw.get(key), kind):
        raise LabError(f"{where}: '{key}' is {shown(raw.get(key))}, expected {kind.__name__.lower()}")
    return raw[key]
