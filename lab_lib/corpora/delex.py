"""Delexicalisation: slot values of a reply become placeholders (`[name]`), because scorers compare those.

The rule is the official one for MultiWOZ 2.2 references (Tomiinek/MultiWOZ_Evaluation): spans in order of
their start, ties in file order; a span that starts before the previous one ended, or whose value is
`dontcare`, stays text.
"""

from __future__ import annotations

from lab_lib.corpora.types import Span, Turn
from lab_lib.errors import LabError


def applied_spans(turn: Turn) -> tuple[Span, ...]:
    """Return the spans that become placeholders, in text order: none overlaps another, none is `dontcare`."""
    applied, end = [], 0
    for span in sorted(turn.spans, key=lambda span: span.start):
        if span.start < end or span.value == "dontcare":
            continue
        applied.append(span)
        end = span.end
    return tuple(applied)


def covers(turn: Turn, span: Span) -> bool:
    """Return whether the words under a span are its value, ignoring case and white space.

    Annotators also mark other words ("four" for `4`), so a span that does not cover its value need not be wrong.
    """
    return plain(turn.text[span.start : span.end]) == plain(span.value)


def plain(text: str) -> str:
    """Return text in lower case with single spaces."""
    return " ".join(text.lower().split())


def delexicalise(turn: Turn) -> str:
    """Return the turn's text with every applied span replaced by `[slot]`; nothing else is changed.

    >>> delexicalise(Turn("system", "It is in the north.", (Span("area", "north", 13, 18),)))
    'It is in the [area].'
    """
    parts, end = [], 0
    for span in applied_spans(turn):
        parts += [turn.text[end : span.start], f"[{span.slot}]"]
        end = span.end
    return "".join(parts) + turn.text[end:]


def refill(delexicalised: str, turn: Turn) -> str:
    """Replace the placeholders by the words of the turn's applied spans: the inverse of `delexicalise`.

    Placeholders are filled from left to right, each once. If the text itself contained `[slot]` before that span, it is
    mistaken for the placeholder. Raises LabError if a placeholder is missing.
    """
    parts, end = [], 0
    for span in applied_spans(turn):
        placeholder = f"[{span.slot}]"
        start = delexicalised.find(placeholder, end)
        if start < 0:
            raise LabError(f"cannot refill: no {placeholder} after character {end} of {delexicalised!r}")
        parts += [delexicalised[end:start], turn.text[span.start : span.end]]
        end = start + len(placeholder)
    return "".join(parts) + delexicalised[end:]
