"""A grammar of calls in the canonical form of `call_text`: it has exactly one text for each accepted call.

The grammar is in the Lark syntax of llguidance. Arguments are in the order of the signature, an argument that equals
its default is omitted, the only white space is one space after a comma, and every value has a limit. For every text of
the grammar, `read_call` accepts it and `call_text` writes the same text again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.calls.call import literal
from lab_lib.calls.skills.grammar import DECIMALS, value_schema
from lab_lib.calls.skills.number_regex import float_regex, int_regex
from lab_lib.calls.skills.skill import NO_SKILL, Skill, Skills
from lab_lib.calls.skills.text_regex import figures_regex, is_said, pattern_regex, said_regex, text_regex
from lab_lib.calls.skills.values import inner
from lab_lib.errors import LabError

CHARACTER = 6  # maximum bytes of a character: \u0000 has 6, the largest code points have 4


@dataclass(frozen=True)
class Request:
    """What a person said, and the numbers and times that it may mean: where the values of a call come from."""

    words: str = ""
    numbers: tuple[float, ...] = ()
    minutes: tuple[float, ...] = ()  # of spans of time
    times: tuple[str, ...] = ()  # as they stand in a call, HH:MM
    figures: tuple[str, ...] = ()  # the numbers as they stand in arithmetic


def call_grammar(
    skills: Skills, before: str = "", after: str = "", none: bool = True, said: Request | None = None
) -> str:
    """Return the grammar of the calls of some skills, between two texts; with `none`, of `none()` too.

    With `said`, a text that is neither chosen among options nor follows a pattern is a run of its words; where a
    parameter accepts any of its numbers, or a pattern any of its times, the value is one of these. A parameter called
    minutes takes spans of time instead of numbers where any is said. In other texts with a pattern, such as 12*(3+4),
    numbers are those that are said.
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
    """The terminals of a grammar by their expressions: equal parameters share one. `said`: where values are from."""

    def __init__(self, said: Request | None = None) -> None:
        self.names: dict[str, str] = {}
        self.said = "" if said is None else f" & {self.name(said_regex(said.words))}"
        self.request = said or Request()

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
            value = _value(parameter.name, value_schema(parameter.raw), parameter.raw.get("default"), terminals)
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


def _value(name: str, schema: Mapping[str, Any], default: Any, terminals: Terminals) -> str:
    """Return the rule of a value; "" if only the default is possible."""
    kind = schema["type"]
    if kind != "array" and (options := _options(name, schema, terminals.request)):
        others = [one for one in options if default is None or one != default]
        return terminals.name(" | ".join(_literal(literal(one)) for one in others)) if others else ""
    if kind == "array":
        item, low, high = _value(name, schema["items"], None, terminals), schema.get("minItems", 0), schema["maxItems"]
        more = f"({_literal(', ')} {item}){{{max(low - 1, 0)},{max(high - 1, 0)}}}"
        full = f"{_literal('[')} {item} {more} {_literal(']')}"
        empty = _literal("[]")
        return f"({full} | {empty})" if low == 0 and high else full if high else empty
    expression = _expression(schema, kind)
    if kind == "string" and "pattern" not in schema:
        expression += terminals.said
    elif kind == "string" and _has_figures(schema, terminals.request):
        expression += f" & {terminals.name(f'/{figures_regex(terminals.request.figures)}/')}"
    if default is not None:
        expression = f"({expression}) & ~{_literal(literal(default))}"
    return terminals.name(expression)


def _options(name: str, schema: Mapping[str, Any], said: Request) -> Sequence[Any]:
    """Return the values of which one has to be chosen; none where there is no choice among a few."""
    kind = schema["type"]
    if "enum" in schema or kind == "boolean":
        return schema.get("enum", (True, False))
    if kind == "string":
        return [time for time in said.times if "pattern" in schema and re.fullmatch(schema["pattern"], time, re.ASCII)]
    numbers = said.minutes if said.minutes and "minutes" in name else said.numbers
    inside = [one for one in numbers if schema["minimum"] <= one <= schema["maximum"]]
    if kind == "integer":
        return [int(number) for number in inside if number.is_integer()]
    return [number for number in inside if round(number, schema[DECIMALS]) == number]


def _has_figures(schema: Mapping[str, Any], said: Request) -> bool:
    """Return whether the numbers in a text with a pattern have to be said; not those of a time of the day."""
    return bool(said.figures) and "pattern" in schema and not accepts_times(schema)


def accepts_times(schema: Mapping[str, Any]) -> bool:
    """Return whether a text has a pattern that accepts times of the day (HH:MM)."""
    return "pattern" in schema and bool(re.fullmatch(schema["pattern"], "12:00", re.ASCII))


def is_offered(value: Any, name: str, schema: Mapping[str, Any], said: Request) -> bool:
    """Return whether the grammar of a request has a value for a parameter that accepts it."""
    if schema["type"] == "array":
        return all(is_offered(one, name, schema["items"], said) for one in value)
    if options := _options(name, schema, said):
        return value in options
    if schema["type"] == "string" and "pattern" not in schema:
        return is_said(value, said.words)
    return not _has_figures(schema, said) or bool(re.fullmatch(figures_regex(said.figures), f'"{value}"'))


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
    return whole if kind == "integer" else whole + len(".") + int(schema[DECIMALS]) + len("-")
