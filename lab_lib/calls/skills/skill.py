"""A skill as data, and a collection of skills; functions that can run stay in their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.calls.call import literal
from lab_lib.calls.schema import Function
from lab_lib.calls.skills.bounds import is_optional
from lab_lib.calls.skills.parameters import check_name
from lab_lib.errors import LabError

NO_SKILL = "none"  # the name of the call for "the assistant was not asked anything"
NO_SKILL_TEXT = (
    f"{NO_SKILL}()\nNothing was asked of the assistant, something it needs was not said, or it has no such skill."
)


@dataclass(frozen=True)
class Skill:
    """One thing the assistant can do. `source` is the file it was read from; only functions of a `.py` file can run.

    The `raw` of each parameter is its JSON Schema.
    """

    function: Function
    source: Path | None = None

    @property
    def name(self) -> str:
        """The name that stands in a call."""
        return self.function.name

    @property
    def defaults(self) -> dict[str, Any]:
        """{parameter: its default}, in the order of the signature; required parameters are not there."""
        return {one.name: one.raw["default"] for one in self.function.parameters if "default" in one.raw}

    @property
    def free_texts(self) -> frozenset[str]:
        """The parameters with free texts or lists of free texts: without options and without a pattern."""
        each = {one.name: one.raw.get("items", one.raw) for one in self.function.parameters}
        texts = {name for name, raw in each.items() if "string" in raw["type"]}
        return frozenset(name for name in texts if not {"enum", "pattern"} & each[name].keys())


class Skills(Mapping[str, Skill]):
    """Skills by name, in their order. Raises LabError for two with one name, and for one called `none`."""

    def __init__(self, skills: Sequence[Skill]) -> None:
        self._by_name: dict[str, Skill] = {}
        for skill in skills:
            where = str(skill.source or "skills")
            check_name(skill.name, "skill", where)
            if skill.name == NO_SKILL:
                raise LabError(f"{where}: '{NO_SKILL}' is reserved for requests without a skill; choose another name")
            if skill.name in self._by_name:
                other = self._by_name[skill.name].source
                raise LabError(f"{where}: the skill '{skill.name}' occurs twice, also in {other or 'this list'}")
            self._by_name[skill.name] = skill

    def __getitem__(self, name: str) -> Skill:
        """Return a skill."""
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._by_name)

    def __len__(self) -> int:
        """Return how many skills there are."""
        return len(self._by_name)

    @property
    def functions(self) -> tuple[Function, ...]:
        """The functions, in order."""
        return tuple(skill.function for skill in self._by_name.values())


def tool(skill: Skill) -> dict[str, Any]:
    """Return a skill as OpenAI's interface describes a tool; `parameters` is JSON Schema, Draft 2020-12.

    It states the skill's own bounds. The default limits (bounds.py) are omitted, because prompts contain the tools; a
    call that exceeds them is refused with the reason.
    """
    function = skill.function
    parameters = {
        "type": "object",
        "properties": {parameter.name: dict(parameter.raw) for parameter in function.parameters},
        "required": list(function.required),
        "additionalProperties": False,
    }
    named = {"name": function.name, "description": function.description, "parameters": parameters}
    return {"type": "function", "function": named}


def prompt_text(skill: Skill) -> str:
    """Return the description of a skill for prompts: signature, purpose, and one line per described parameter."""
    signature = ", ".join(_parameter_text(parameter.name, parameter.raw) for parameter in skill.function.parameters)
    described = [f"  {one.name}: {one.description}" for one in skill.function.parameters if one.description]
    return "\n".join([f"{skill.name}({signature})", skill.function.description, *described])


def _parameter_text(name: str, schema: Mapping[str, Any]) -> str:
    """Return one parameter of a signature.

    >>> _parameter_text("minutes", {"type": "integer", "minimum": 1, "maximum": 1440, "default": 5})
    'minutes: int 1..1440 = 5'
    """
    default = f" = {literal(schema['default'])}" if "default" in schema else ""
    return f"{name}: {_type_text(schema)}{default}"


def _type_text(schema: Mapping[str, Any]) -> str:
    kind = schema["type"][0] if is_optional(schema) else schema["type"]
    if "enum" in schema:
        return " | ".join(literal(option) for option in schema["enum"] if option is not None)
    if kind == "array":
        return f"list[{_type_text(schema['items'])}]"
    words = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}[kind]
    low, high = schema.get("minimum"), schema.get("maximum")
    return words if low is None and high is None else f"{words} {_bound(low)}..{_bound(high)}"


def _bound(bound: float | None) -> str:
    return "" if bound is None else str(bound)
