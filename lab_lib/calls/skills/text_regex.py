"""Regular expressions for texts in calls: between double quotes, escaped as in JSON.

A parameter's pattern describes the value, but the grammar needs its escaped form. So Python's own parser reads the
pattern symbol by symbol, and each set of symbols is rewritten in its escaped form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from lab_lib.errors import LabError, shown

try:
    from re import _parser as python_parser  # type: ignore[attr-defined]
except ImportError:  # Python 3.10
    import sre_parse as python_parser

Ranges = list[tuple[int, int]]  # code points, both ends included, ascending and apart
EVERY: Ranges = [(0, 0xD7FF), (0xE000, 0x10FFFF)]  # half a surrogate pair is not a character
ASCII: dict[str, Ranges] = {  # what \\d, \\s and \\w are by ASCII rules, as in JSON Schema
    "DIGIT": [(0x30, 0x39)],
    "SPACE": [(0x09, 0x0D), (0x20, 0x20)],
    "WORD": [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)],
}
# What a grammar cannot express, by its name in Python's parser.
WORDS = {"AT": "an edge inside it", "SUBPATTERN": "flags", "ASSERT": "a lookahead or lookbehind",
         "ASSERT_NOT": "a negative lookahead or lookbehind", "GROUPREF": "a repeated group",
         "GROUPREF_EXISTS": "a condition on a group", "ATOMIC_GROUP": "an atomic group",
         "POSSESSIVE_REPEAT": "a possessive repetition"}  # fmt: skip
EDGES = ("AT_BEGINNING", "AT_BEGINNING_STRING"), ("AT_END", "AT_END_STRING")


def text_regex(low: int, high: int) -> str:
    """Return the expression of all texts of `low` to `high` characters, quotes included."""
    return f'"(?:{quoted(EVERY)}){{{low},{high}}}"'


def chunks(text: str) -> list[str]:
    """Return the words of a text, and each symbol between them."""
    return re.findall(r"\w+|\W", text)


def wordings(said: str) -> list[str]:
    """Return a text, and where it differs, the text with sentences and quotations that begin with a small letter.

    >>> wordings('Play "Yesterday"! Milk, too.'), wordings("play it")
    (['Play "Yesterday"! Milk, too.', 'play "yesterday"! milk, too.'], ['play it'])
    """
    small = re.sub(r"(?:^|[.!?:;]\s+|[\"“„«(]\s*)\w", lambda start: start[0].lower(), said.lstrip())
    return list(dict.fromkeys([said, small]))


def is_said(text: str, said: str) -> bool:
    """Return whether a text is a run of words of another, as `said_regex` has it.

    >>> is_said("new york", "to new york!"), is_said("york", "to newyork"), is_said("milk", "Milk, please")
    (True, False, True)
    """
    return any(_is_run(chunks(text), chunks(wording)) for wording in wordings(said)) and text == text.strip(" ")


def _is_run(run: Sequence[str], every: Sequence[str]) -> bool:
    places = (place for place, chunk in enumerate(every) if chunk == run[0]) if run else ()
    return any(every[place : place + len(run)] == run for place in places)


def said_regex(said: str) -> str:
    """Return the expression, in Lark syntax, of the runs of words of a text, quotes included.

    A run begins and ends at the edge of a word or beside a mark, never with a space. It is written as it stands there,
    or with a small letter at the beginning of a sentence.

    >>> print(said_regex("in Rome"))
    "\\"" ((%regex {"substring_chunks": ["in", " ", "Rome"]}) & /[^ ](.*[^ ])?/) "\\""
    """
    runs = " | ".join(f"%regex {_substrings(wording)}" for wording in wordings(said))
    return rf'"\"" (({runs}) & /[^ ](.*[^ ])?/) "\""'


def _substrings(text: str) -> str:
    """Return what llguidance calls the runs of some chunks."""
    escaped = [json.dumps(chunk, ensure_ascii=False)[1:-1] for chunk in chunks(text)]
    return json.dumps({"substring_chunks": escaped}, ensure_ascii=False)


def figures_regex(figures: Sequence[str]) -> str:
    """Return the expression of the texts in which every number is one of some figures, quotes included.

    >>> [bool(re.fullmatch(figures_regex(["3", "4"]), text)) for text in ('"3*(4+3)"', '"34"')]
    [True, False]
    """
    number = f"(?:{'|'.join(map(re.escape, figures))})"
    return f'"[^0-9]*(?:{number}[^0-9]+)*{number}?"'


def pattern_regex(pattern: str) -> str:
    """Return the expression of the texts that match a pattern as a whole, quotes included.

    Raises LabError for parts that the grammar cannot express: lookaround, back-references, word boundaries, flags.

    >>> pattern_regex("[ab]+c?")
    '"(?:[ab])+(?:c)?"'
    """
    parsed = python_parser.parse(pattern, re.ASCII)
    if parsed.state.flags & ~re.ASCII:
        raise LabError(f"pattern {shown(pattern)}: flags cannot be in a grammar")
    nodes = list(parsed)
    if nodes and str(nodes[0][1]) in EDGES[0]:
        nodes = nodes[1:]
    if nodes and str(nodes[-1][1]) in EDGES[1]:
        nodes = nodes[:-1]
    try:
        return f'"{_sequence(nodes)}"'
    except NotImplementedError as error:
        raise LabError(f"pattern {shown(pattern)}: {error} cannot be in a grammar") from None


def _sequence(nodes: Any) -> str:
    return "".join(_node(str(kind), value) for kind, value in nodes)


def _node(kind: str, value: Any) -> str:
    """Return the expression of one node of Python's parse tree. Raises NotImplementedError, naming what it is."""
    if kind == "LITERAL":
        return quoted([(value, value)])
    if kind == "NOT_LITERAL":
        return quoted(_others([(value, value)]))
    if kind == "ANY":
        return quoted(_others([(0x0A, 0x0A)]))
    if kind == "IN":
        return quoted(_set(value))
    if kind == "BRANCH":
        return f"(?:{'|'.join(map(_sequence, value[1]))})"
    if kind == "SUBPATTERN" and not value[1] and not value[2]:
        return f"(?:{_sequence(value[3])})"
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        return f"(?:{_sequence(value[2])}){_times(value[0], value[1])}"
    raise NotImplementedError(WORDS.get(kind, kind.lower()))


def _times(low: int, high: Any) -> str:
    """Return the quantifier of a repetition.

    >>> _times(0, 1), _times(1, python_parser.MAXREPEAT), _times(2, 2)
    ('?', '+', '{2}')
    """
    if high == python_parser.MAXREPEAT:
        return {0: "*", 1: "+"}.get(low, f"{{{low},}}")
    if low == high:
        return f"{{{low}}}"
    return "?" if (low, high) == (0, 1) else f"{{{low},{high}}}"


def _set(parts: Sequence[tuple[Any, Any]]) -> Ranges:
    """Return the code points of a set in brackets."""
    found: Ranges = []
    for kind, value in parts:
        name = str(kind)
        if name == "LITERAL":
            found.append((value, value))
        elif name == "RANGE":
            found.append((value[0], value[1]))
        elif name == "CATEGORY":
            word = str(value).removeprefix("CATEGORY_")
            known = ASCII.get(word.removeprefix("NOT_"))
            if known is None:
                raise NotImplementedError(word.lower())
            found += _others(known) if word.startswith("NOT_") else known
    negated = bool(parts) and str(parts[0][0]) == "NEGATE"
    return _others(found) if negated else _joined(found)


def _joined(ranges: Ranges) -> Ranges:
    found: Ranges = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found


def _others(ranges: Ranges) -> Ranges:
    """Return all code points that are not in some ranges."""
    found, start = Ranges(), 0
    for low, high in [*_joined([*ranges, (0xD800, 0xDFFF)]), (0x110000, 0x110000)]:
        if start < low:
            found.append((start, low - 1))
        start = high + 1
    return found


def quoted(ranges: Ranges) -> str:
    """Return the expression of one symbol out of some ranges, as JSON writes it inside quotes.

    >>> quoted([(0x22, 0x22), (0x61, 0x63)])
    '(?:[a-c]|\\\\\\\\")'
    """
    whole = _others(_others(ranges))  # without surrogates
    escaped = [code for code in (*range(0x20), 0x22, 0x5C) if any(low <= code <= high for low, high in whole)]
    plain = _others([*_others(whole), *((code, code) for code in escaped)])
    parts = [_class(plain)] if plain else []
    parts += [json.dumps(chr(code))[1:-1].replace("\\", "\\\\") for code in escaped]
    if not parts:
        raise NotImplementedError("an empty set")
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"


def _class(ranges: Ranges) -> str:
    """Return a set of code points in brackets, or its only symbol.

    >>> _class([(0x61, 0x61)]), _class([(0x2D, 0x2E), (0x61, 0x63)])
    ('a', '[\\\\x{2d}\\\\x{2e}a-c]')
    """
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _symbol(ranges[0][0])
    spans = (_symbol(low) if low == high else f"{_symbol(low)}{'-' if high > low + 1 else ''}{_symbol(high)}"
             for low, high in ranges)  # fmt: skip
    return f"[{''.join(spans)}]"


def _symbol(code: int) -> str:
    symbol = chr(code)
    return symbol if symbol.isascii() and symbol.isalnum() else f"\\x{{{code:x}}}"
