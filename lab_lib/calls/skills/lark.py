"""A grammar of calls in the canonical form of `call_text`: it has exactly one text for each accepted call.

The grammar is in the Lark syntax of llguidance. Arguments are in the order of the signature, an argument that equals
its default is omitted, the only white space is one space after a comma, and every value has a limit. For every text of
the grammar, `read_call` accepts it and `call_text` writes the same text again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab_lib.calls.call import literal
from lab_lib.calls.skills.grammar import value_schema
from lab_lib.calls.skills.number_regex import float_regex, int_regex
from lab_lib.calls.skills.skill import NO_SKILL, Skill, Skills
from lab_lib.calls.skills.text_regex import pattern_regex, said_regex, text_regex
from lab_lib.calls.skills.values import inner
from lab_lib.errors import LabError

CHARACTER = 6  # maximum bytes of a character: \u0000 has 6, the largest code points have 4


def call_grammar(skills: Skills, before: str = "", after: str = "", none: bool = True, said: str | None = None) -> str:
    """Return the grammar of calls of some skills, between two fixed texts; with `none` it includes `none()`.

    With `said`, a text that is neither chosen among options nor follows a pattern is a run of the words of `said`.
    Raises LabError, naming skill and parameter, for a pattern or bounds that the grammar cannot express.
    """
    terminals = Terminals(said)
    rules = {f"s{number}": _skill(skill, terminals) for number, skill in enumerate(skills.values())}
    calls = [*rules, *([_literal(f"{NO_SKILL}()")] if none else [])]
    around = [_literal(text) for text in (before, after)]
    start = " ".join([around[0] if before else "", "call", around[1] if after else ""]).strip()
    lines = [f"start: {start}", f"call: {' | '.join(calls)}", *(f"{name}: {rule}" for name, rule in rules.items())]
    return "\n".join([*lines, *terminals.lines()]) + "\n"


class Terminals:
    """The terminals of a grammar by expression; equal parameters share one. `said` is the source of free texts."""

    def __init__(self, said: str | None = None) -> None:
        self.names: dict[str, str] = {}
        self.said = "" if said is None else f" & {self.name(said_regex(said))}"

    def name(self, expression: str) -> str:
        """Return the name of the terminal of an expression."""
        return self.names.setdefault(expression, f"V{len(self.names)}")

    def lines(self) -> list[str]:
        """Return the definitions."""
        return [f"{name}: {expression}" for expression, name in self.names.items()]


def _skill(skill: Skill, terminals: Terminals) -> str:
    """Return the rule of a skill: an alternative for each argument that may come first, and one without arguments."""
    written: list[tuple[str, str, bool]] = []  # (parameter, the rule of its value, whether it is required)
    for parameter in skill.function.parameters:
        required = parameter.name in skill.function.required
        try:
            value = _value(value_schema(parameter.raw), parameter.raw.get("default"), terminals)
        except LabError as error:
            raise LabError(f"{skill.name}, parameter {parameter.name}: {error}") from None
        if value:
            written.append((parameter.name, value, required))
    first = next((place for place, one in enumerate(written) if one[2]), len(written))
    starts = range(first + 1) if first < len(written) else range(len(written))
    alternatives = [_arguments(f"{skill.name}(", written[place:]) for place in starts]
    if first == len(written):
        alternatives.append(_literal(f"{skill.name}()"))
    return " | ".join(alternatives)


def _arguments(before: str, written: list[tuple[str, str, bool]]) -> str:
    """Return the sequence of arguments in which the first and all required ones are present."""
    (name, value, _), *more = written
    parts = [_literal(f"{before}{name}="), value]
    for name, value, required in more:
        part = f"{_literal(f', {name}=')} {value}"
        parts.append(part if required else f"({part})?")
    return " ".join([*parts, _literal(")")])


def _value(schema: Mapping[str, Any], default: Any, terminals: Terminals) -> str:
    """Return the rule of a value; "" if only the default is possible."""
    kind = schema["type"]
    if "enum" in schema or kind == "boolean":
        options = [one for one in schema.get("enum", (True, False)) if default is None or one != default]
        return terminals.name(" | ".join(_literal(literal(one)) for one in options)) if options else ""
    if kind == "array":
        item, low, high = _value(schema["items"], None, terminals), schema.get("minItems", 0), schema["maxItems"]
        more = f"({_literal(', ')} {item}){{{max(low - 1, 0)},{max(high - 1, 0)}}}"
        full = f"{_literal('[')} {item} {more} {_literal(']')}"
        empty = _literal("[]")
        return f"({full} | {empty})" if low == 0 and high else full if high else empty
    expression = _expression(schema, kind)
    if kind == "string" and "pattern" not in schema:
        expression += terminals.said
    if default is not None:
        expression = f"({expression}) & ~{_literal(literal(default))}"
    return terminals.name(expression)


def _expression(schema: Mapping[str, Any], kind: str) -> str:
    """Return the terminal of a number or a text."""
    if kind == "integer":
        return f"/{int_regex(schema['minimum'], schema['maximum'])}/"
    if kind == "number":
        return f"/{float_regex(schema['minimum'], schema['maximum'])}/"
    size = f"/{text_regex(schema['minLength'], schema['maxLength'])}/"
    return f"/{pattern_regex(inner(schema['pattern']))}/ & {size}" if "pattern" in schema else size


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def longest_call(skills: Skills) -> int:
    """Return the maximum bytes of a call of the grammar; this also limits its tokens, since each has at least one
    byte."""
    return max(len(f"{NO_SKILL}()"), *(_most(skill) for skill in skills.values()))


def _most(skill: Skill) -> int:
    values = (len(f", {one.name}=") + _longest(value_schema(one.raw)) for one in skill.function.parameters)
    return len(f"{skill.name}()") + sum(values)


def _longest(schema: Mapping[str, Any]) -> int:
    """Return the maximum bytes of a value."""
    kind = schema["type"]
    if "enum" in schema:
        return max(len(literal(option).encode()) for option in schema["enum"])
    if kind == "array":
        return 2 + schema["maxItems"] * (_longest(schema["items"]) + len(", "))
    if kind == "string":
        return 2 + CHARACTER * int(schema["maxLength"])
    if kind == "boolean":
        return len("False")
    whole = max(len(str(int(schema[end]))) for end in ("minimum", "maximum"))
    return whole if kind == "integer" else whole + len(".") + int(schema["x-maxDecimals"]) + len("-")
