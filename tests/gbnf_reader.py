"""A reader of GBNF grammars without recursion: as one regular expression, which says whether a text is accepted."""

from __future__ import annotations

import random
import re
from functools import cache
from typing import Any

from lab_lib.calls.skills.text_regex import python_parser

TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:\\.|[^"\\])*")|(?P<set>\[(?:\\.|[^]\\])*\])|(?P<rule>[a-z][a-zA-Z0-9-]*)|(?P<sign>[()|?*+]|\{\d+(?:,\d*)?\}))"""
)
ESCAPES = {r"\n": "\n", r"\t": "\t", r"\r": "\r", r"\"": '"', r"\\": "\\"}


def read_gbnf(grammar: str) -> re.Pattern[str]:
    """Return the expression of the rule `root`. Raises ValueError for what is no GBNF, and for unknown rules."""
    rules = dict(line.split(" ::= ", 1) for line in grammar.splitlines())
    assert len(rules) == len(grammar.splitlines()), "a rule occurs twice"
    return re.compile(_rule("root", rules))


def _rule(name: str, rules: dict[str, str]) -> str:
    text, place, parts = rules[name], 0, []
    while place < len(text.rstrip()):
        found = TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"{name}: {text[place:][:40]}")
        place = found.end()
        if found["text"]:
            plain = re.sub(r"\\.", lambda one: ESCAPES[one[0]], found["text"][1:-1])
            parts.append(f"(?:{re.escape(plain)})")
        elif found["set"]:
            parts.append(found["set"])
        elif found["rule"]:
            parts.append(_rule(found["rule"], rules))
        else:
            parts.append(found["sign"].replace("(", "(?:"))
    return f"(?:{''.join(parts)})"


def written(expression: re.Pattern[str], draw: random.Random) -> str:
    """Return a random text that an expression of `read_gbnf` matches; long repetitions are short mostly."""
    return _some(_parsed(expression.pattern), draw)


@cache
def _parsed(pattern: str) -> Any:
    return python_parser.parse(pattern)


def _some(nodes: Any, draw: random.Random) -> str:
    return "".join(_node(str(kind), value, draw) for kind, value in nodes)


def _node(kind: str, value: Any, draw: random.Random) -> str:
    if kind == "LITERAL":
        return chr(value)
    if kind == "IN":
        sort, choice = draw.choice(value)
        return chr(choice) if str(sort) == "LITERAL" else chr(draw.choice([*choice, draw.randint(*choice)]))
    if kind == "BRANCH":
        return _some(draw.choice(value[1]), draw)
    if kind == "SUBPATTERN":
        return _some(value[3], draw)
    assert kind == "MAX_REPEAT", kind
    low, high, nodes = value
    times = draw.choice([low, min(high, low + 1), min(high, low + 3), draw.randint(low, high)])
    return "".join(_some(nodes, draw) for _ in range(times))
