"""Templates: utterances with placeholders for their values.

`I need two tickets to <city>` says more about the function than the name of a city does. Filling in the values restores
the utterance exactly. An ambiguous utterance is refused with a reason, because nobody would notice a wrong guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab_lib.errors import LabError, shown

PLACEHOLDER = re.compile(r"<([A-Za-z][A-Za-z0-9_]*)>")

# Reasons why an utterance has no template.
OVERLAP = "two slots claim the same words"
REPEATED = "a value is said more than once, and no span says which is meant"
SHARED = "two slots have one value, and no span says which is meant"
LITERAL = "the utterance itself holds what looks like a placeholder"
OUTSIDE = "a span lies outside the utterance"
OTHER_WORDS = "the template has other words than the utterance"
SEVERAL_WAYS = "the template fits the utterance in several ways"


class Ambiguous(ValueError):
    """The values of an utterance cannot be located in exactly one way; the message is the reason."""


@dataclass(frozen=True, order=True)
class SlotSpan:
    """A slot whose value is at `utterance[start:end]`."""

    start: int
    end: int
    slot: str


def template_of(utterance: str, spans: Iterable[SlotSpan]) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Return (the template, {slot: its words in order}) of an utterance. Raises Ambiguous.

    >>> template_of("2 to Rome", [SlotSpan(5, 9, "city"), SlotSpan(0, 1, "number")])
    ('<number> to <city>', {'number': ('2',), 'city': ('Rome',)})
    """
    if PLACEHOLDER.search(utterance):
        raise Ambiguous(LITERAL)
    parts, words, end = list[str](), dict[str, tuple[str, ...]](), 0
    for span in sorted(set(spans)):
        if not 0 <= span.start < span.end <= len(utterance):
            raise Ambiguous(OUTSIDE)
        if span.start < end:
            raise Ambiguous(OVERLAP)
        parts += [utterance[end : span.start], f"<{span.slot}>"]
        words[span.slot] = (*words.get(span.slot, ()), utterance[span.start : span.end])
        end = span.end
    return "".join(parts) + utterance[end:], words


def refill(template: str, fillings: Mapping[str, Sequence[str]]) -> str:
    """Return a template with its placeholders filled; the texts of a slot are used in order.

    Raises LabError for a placeholder without a text.
    """
    used: dict[str, int] = {}

    def fill(found: re.Match[str]) -> str:
        slot, texts = found[1], fillings.get(found[1], ())
        place = used[slot] = used.get(slot, -1) + 1
        if place >= len(texts):
            raise LabError(f"template {shown(template)}: no value for placeholder {place + 1} of '{slot}'")
        return texts[place]

    return PLACEHOLDER.sub(fill, template)


def spans_of(template: str, utterance: str) -> list[SlotSpan]:
    """Return the spans of an utterance that fill the placeholders of its template. Raises Ambiguous.

    >>> spans_of("<number> to <city>", "two to New York")
    [SlotSpan(start=0, end=3, slot='number'), SlotSpan(start=7, end=15, slot='city')]
    """
    slots = PLACEHOLDER.findall(template)
    parts = [re.escape(part) for part in PLACEHOLDER.split(template)[::2]]
    found = re.fullmatch("(.+?)".join(parts), utterance, re.IGNORECASE | re.DOTALL)
    if found is None:
        raise Ambiguous(OTHER_WORDS)
    longest = re.fullmatch("(.+)".join(parts), utterance, re.IGNORECASE | re.DOTALL)
    if longest is None or longest.groups() != found.groups():
        raise Ambiguous(SEVERAL_WAYS)
    return [SlotSpan(*found.span(number), slot) for number, slot in enumerate(slots, 1)]


def spans_by_value(
    utterance: str, values: Mapping[str, Sequence[str]], taken: Iterable[SlotSpan] = ()
) -> list[SlotSpan]:
    """Return the spans of values without a given span: whole words, in any case, exactly once.

    Longer values come first; words in `taken` are not searched. A value that is not said has no span. Raises Ambiguous
    for a value that is said more than once, and for a said value that two slots share.

    >>> spans_by_value("from York to New York", {"to": ["New York"], "from": ["York"]})
    [SlotSpan(start=5, end=9, slot='from'), SlotSpan(start=13, end=21, slot='to')]
    """
    open_text = utterance
    for span in taken:
        open_text = _masked(open_text, span.start, span.end)
    pairs = {(text.lower(), slot): text for slot, texts in values.items() for text in texts if text.strip()}
    owners: dict[str, set[str]] = {}
    for low, slot in pairs:
        owners.setdefault(low, set()).add(slot)
    found = []
    for low, slots in sorted(owners.items(), key=lambda pair: (-len(pair[0]), pair[0])):
        places = list(re.finditer(rf"(?<!\w){re.escape(low)}(?!\w)", open_text, re.IGNORECASE))
        if places and len(slots) > 1:
            raise Ambiguous(SHARED)
        if len(places) > 1:
            raise Ambiguous(REPEATED)
        for place in places:
            found.append(SlotSpan(place.start(), place.end(), min(slots)))
            open_text = _masked(open_text, place.start(), place.end())
    return sorted(found)


def _masked(text: str, start: int, end: int) -> str:
    """Return a text of the same length in which nothing matches between start and end."""
    return f"{text[:start]}{chr(0) * (end - start)}{text[end:]}"
