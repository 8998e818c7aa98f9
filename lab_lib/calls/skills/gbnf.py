"""The grammar of skills in GBNF, the grammar format of llama.cpp, for serving an exported model.

It uses the same expressions as the grammar in Lark (lark.py) and accepts the same calls, with two exceptions that GBNF
cannot express. It allows an argument that equals its default, which `read_call` drops. An unlimited repetition in a
pattern is limited by the maximum length of its parameter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lab_lib.calls.call import literal
from lab_lib.calls.skills.grammar import grammar_schema
from lab_lib.calls.skills.lark import call_grammar
from lab_lib.calls.skills.number_regex import float_regex, int_regex
from lab_lib.calls.skills.skill import Skills
from lab_lib.calls.skills.text_regex import EVERY, pattern_regex, python_parser, quoted
from lab_lib.calls.skills.values import inner
from lab_lib.errors import LabError

CHARACTER = "character"  # the rule of one character of a text
# The expressions of number_regex.py and text_regex.py consist of these.
TOKEN = re.compile(
    r"(?P<open>\(\?:)|(?P<sign>[)|?*+]|\{\d+(?:,\d*)?\})|(?P<set>\[[^]]*\])|(?P<code>\\x\{[0-9a-f]+\})|\\?(?P<symbol>.)"
)
ENDLESS = re.compile(r"\)(?:\+|\*|\{(\d+),\})")  # a closing bracket is not a symbol: symbols have codes
IN_TEXT = re.compile(r"\\\\(?:u[0-9a-f]{4}|\\\\|.)")  # one character, escaped as in JSON
CODE = re.compile(r"\\x\{([0-9a-f]+)\}")
ESCAPED = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\t": r"\t", "\r": r"\r"}


def grammar_files(skills: Skills) -> dict[str, str]:
    """Return {file name: grammar} for serving a model with llguidance and with llama.cpp."""
    try:
        for_llama = gbnf(skills)
    except LabError as error:
        for_llama = f"# no grammar in GBNF: {error}\n"
    return {"skills.lark": call_grammar(skills), "skills.gbnf": for_llama}


def gbnf(skills: Skills) -> str:
    """Return the grammar. Raises LabError, naming skill and parameter, for a pattern that GBNF cannot express."""
    options = [one["properties"] for one in grammar_schema(skills)["anyOf"]]
    calls = {option["name"]["const"]: option["arguments"] for option in options}
    rules = {"root": " | ".join(map(_rule, calls)), CHARACTER: of_regex(quoted(EVERY))}
    for name, arguments in calls.items():
        properties = arguments["properties"]
        inside = _arguments(name, list(properties), arguments["required"])
        rules[_rule(name)] = " ".join(filter(None, [_text(f"{name}("), inside, _text(")")]))
        for key, schema in properties.items():
            try:
                rules[_rule(name, key)] = f"{_text(f'{key}=')} {_value(schema)}"
            except LabError as error:
                raise LabError(f"{name}, parameter {key}: {error}") from None
    return "".join(f"{name} ::= {rule}\n" for name, rule in rules.items())


def _rule(*parts: str) -> str:
    """Return the name of a rule: GBNF has letters, digits and dashes for it. No name has two underscores in a row."""
    return f"call-{'--'.join(part.replace('_', '-') for part in parts)}"


def _arguments(name: str, keys: list[str], required: list[str]) -> str:
    """Return the arguments after an opening bracket, in the order of the signature, separated by commas."""
    if not keys:
        return ""
    first, *rest = keys
    parts = [f"{_text(', ')} {_rule(name, key)}" for key in rest]
    following = [part if key in required else f"({part})?" for key, part in zip(rest, parts, strict=True)]
    with_first = " ".join([_rule(name, first), *following])
    if first in required:
        return with_first
    without = _arguments(name, rest, required)
    return f"({with_first} | {without})" if without else f"({with_first})?"


def _value(schema: Mapping[str, Any]) -> str:
    """Return the expression of one value."""
    kind = schema["type"]
    if "enum" in schema or kind == "boolean":
        return f"({' | '.join(_text(literal(option)) for option in schema.get('enum', (True, False)))})"
    if kind == "array":
        item, low, high = _value(schema["items"]), schema.get("minItems", 0), schema["maxItems"]
        more = f"({item} ({_text(', ')} {item}){{{max(low - 1, 0)},{max(high - 1, 0)}}})"
        return f"{_text('[')} {more if low else f'{more}?'} {_text(']')}" if high else _text("[]")
    if kind == "integer":
        return f"({of_regex(int_regex(schema['minimum'], schema['maximum']))})"
    if kind == "number":
        return f"({of_regex(float_regex(schema['minimum'], schema['maximum']))})"
    low, high = schema["minLength"], schema["maxLength"]
    if "pattern" in schema:
        return f"({of_regex(bounded(pattern_regex(inner(schema['pattern'])), low, high))})"
    return f"{_text(chr(34))} {CHARACTER}{{{low},{high}}} {_text(chr(34))}"


def of_regex(expression: str) -> str:
    """Return one of our regular expressions in GBNF.

    >>> print(of_regex('[1-9]|1(?:0){2}'))
    [1-9] | "1" ("0"){2}
    """
    parts = []
    for found in TOKEN.finditer(expression):
        if found["open"]:
            parts.append("(")
        elif found["set"]:
            parts.append(CODE.sub(lambda code: f"\\U{int(code[1], 16):08X}", found["set"]))
        elif found["code"]:
            parts.append(_text(chr(int(found["code"][3:-1], 16))))
        else:
            parts.append(found["sign"] or _text(found["symbol"]))
    return re.sub(r" (?=[?*+{)])|(?<=\() ", "", " ".join(parts))


def bounded(expression: str, low: int, high: int) -> str:
    """Return the expression of a text of `low` to `high` characters, quotes included, without endless repetitions.

    The repetitions share the remaining length. Raises LabError if the expression then matches texts of another length.

    >>> bounded('"(?:[ab])+"', 1, 5)
    '"(?:[ab]){1,5}"'
    """
    least = ENDLESS.sub(lambda found: f"){{{_least(found)}}}", expression)
    count = max(1, len(ENDLESS.findall(expression)))
    room = max(0, high - _width(least)[1]) // count
    found = ENDLESS.sub(lambda found: f"){{{_least(found)},{_least(found) + room}}}", expression)
    shortest, longest = _width(found)
    if shortest < low or longest > high:
        texts = f"its pattern has texts of {shortest} to {longest} characters"
        raise LabError(f"{texts}, but {low} to {high} are accepted: GBNF cannot express both")
    return found


def _least(found: re.Match[str]) -> int:
    """Return the minimum number of repetitions."""
    return int(found[1] or found[0] == ")+")


def _width(expression: str) -> tuple[int, int]:
    """Return the least and most characters within the quotes."""
    plain = CODE.sub(lambda code: f"\\U{int(code[1], 16):08x}", IN_TEXT.sub("x", expression))
    shortest, longest = python_parser.parse(plain).getwidth()
    return shortest - 2, longest - 2


def _text(text: str) -> str:
    """Return a literal text."""
    return '"' + "".join(ESCAPED.get(sign, sign) for sign in text) + '"'
