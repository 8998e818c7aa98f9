"""The grammar of skills in GBNF, the language of llama.cpp: for whoever serves an exported model with it.

It writes the texts that `call_text` writes, within the limits of `grammar_schema`; like that one, everything that it
accepts is a call that `check_call` accepts. The grammar has no recursion, so every answer ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.calls.call import literal
from lab_lib.calls.skills.gbnf_numbers import float_between, whole_between
from lab_lib.calls.skills.gbnf_pattern import NOT_PLAIN, pattern_expression, quoted
from lab_lib.calls.skills.grammar import DECIMALS, grammar_schema
from lab_lib.calls.skills.skill import Skills
from lab_lib.calls.skills.values import inner

# One character of a text in double quotes, as JSON and Python both read it; the longer spelling is for control signs.
CHARACTER = rf'[^{NOT_PLAIN}] | "\\" ["\\bfnrt] | "\\u00" [01] [0-9a-f]'


def gbnf(skills: Skills) -> str:
    """Return the grammar. Raises LabError for a pattern of a parameter that it cannot express."""
    options = [one["properties"] for one in grammar_schema(skills)["anyOf"]]
    calls = {option["name"]["const"]: option["arguments"] for option in options}
    rules = {"root": " | ".join(map(_rule_name, calls)), "character": CHARACTER}
    for name, arguments in calls.items():
        properties = arguments["properties"]
        inside = _arguments(name, list(properties), arguments["required"])
        rules[_rule_name(name)] = " ".join(filter(None, [quoted(f"{name}("), inside, quoted(")")]))
        for key, schema in properties.items():
            rules[_rule_name(name, key)] = f"{quoted(f'{key}=')} {_value(schema, f'{name}, parameter {key}')}"
    return "".join(f"{name} ::= {rule}\n" for name, rule in rules.items())


def _rule_name(*parts: str) -> str:
    """Return the name of a rule: GBNF has letters, digits and dashes for it. No name has two underscores in a row."""
    return f"call-{'--'.join(part.replace('_', '-') for part in parts)}"


def _arguments(name: str, keys: Sequence[str], required: Sequence[str]) -> str:
    """Return the arguments behind an opening bracket, in the order of the signature, with a comma between two."""
    if not keys:
        return ""
    first, *rest = keys
    following = "".join(
        f" {quoted(', ')} {_rule_name(name, key)}" if key in required else f" ({quoted(', ')} {_rule_name(name, key)})?"
        for key in rest
    )
    with_first = f"{_rule_name(name, first)}{following}"
    if first in required:
        return with_first
    without = _arguments(name, rest, required)
    return f"({with_first} | {without})" if without else f"({with_first})?"


def _value(schema: Mapping[str, Any], where: str) -> str:
    """Return the expression of one value."""
    kind = schema["type"]
    if "enum" in schema:
        return f"({' | '.join(quoted(literal(option)) for option in schema['enum'])})"
    if kind == "boolean":
        return f"({quoted('True')} | {quoted('False')})"
    if kind == "integer":
        return f"({whole_between(schema['minimum'], schema['maximum'])})"
    if kind == "number":
        return f"({float_between(schema['minimum'], schema['maximum'], schema[DECIMALS])})"
    if kind == "array":
        return _list(schema, where)
    low, high = schema["minLength"], schema["maxLength"]
    text = f"character{{{low},{high}}}"
    if "pattern" in schema:
        text = pattern_expression(inner(schema["pattern"]), low, high, where)
    return f"{quoted(chr(34))} {text} {quoted(chr(34))}"


def _list(schema: Mapping[str, Any], where: str) -> str:
    item, low, high = _value(schema["items"], where), schema.get("minItems", 0), schema["maxItems"]
    if not high:
        return quoted("[]")
    more = f"({item} ({quoted(', ')} {item}){{{max(low - 1, 0)},{high - 1}}})"
    return f"{quoted('[')} {more if low else f'{more}?'} {quoted(']')}"
