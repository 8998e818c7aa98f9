"""Summaries of omitted records for people: one line per reason, with the count and the first example."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from lab_lib.corpora.delex import applied_spans, covers
from lab_lib.corpora.types import Corpus, Dropped, Span, Turn
from lab_lib.errors import one_line

_INSIDE = re.compile(r"\w\w")  # the characters at both sides of a cut: one word


def drop_lines(corpus: Corpus) -> list[str]:
    """Return one line per reason for omissions, and one about spans that do not match their value."""
    places = {dialogue.id: split for split, dialogues in corpus.splits.items() for dialogue in dialogues}
    return [*grouped(corpus.dropped, places), *span_lines(corpus)]


def grouped(dropped: Iterable[Dropped], places: Mapping[str, str] | None = None) -> list[str]:
    """Return one line per reason; reasons that differ only in numbers are one, shown as the first of them.

    `places` is {record: split it is in}.

    >>> grouped([Dropped("A", "goal: 3 turns"), Dropped("B", "goal: 4 turns"), Dropped("C", "no spans")], {"A": "dev"})
    ['left out 2 x goal: 3 turns (dev 1), the first in A', 'left out 1 x no spans, in C']
    """
    groups: dict[str, list[Dropped]] = {}
    for one in dropped:
        groups.setdefault(re.sub(r"\d+", "N", one.reason), []).append(one)
    return [_line(found, places or {}) for found in groups.values()]


def _line(found: list[Dropped], places: Mapping[str, str]) -> str:
    first = found[0]
    where = f"the first in {first.record}" if len(found) > 1 else f"in {first.record}"
    parts = _by_split(places.get(one.record) for one in found)
    return one_line(f"left out {len(found)} x {first.reason}{parts}, {where}")


def span_lines(corpus: Corpus) -> list[str]:
    """Return one line about spans whose words differ from their value; none if there is no such span.

    In replies, whose spans become placeholders, every such span counts; in what users say, where annotators write the
    schema's value for the user's own words, only spans that begin or end inside a word.
    """
    spans = [
        (split, f"{dialogue.id}, turn {number}", turn, span)
        for split, dialogues in corpus.splits.items()
        for dialogue in dialogues
        for number, turn in enumerate(dialogue.turns)
        for span in (applied_spans(turn) if turn.speaker == "system" else turn.spans)
    ]
    odd = [one for one in spans if _misses(*one[2:])]
    if not odd:
        return []
    _, place, turn, span = odd[0]
    words = turn.text[span.start : span.end]
    parts = _by_split(split for split, *_ in odd)
    return [
        f"spans that do not cover their value: {len(odd)} of {len(spans)}{parts}; "
        f"the first in {one_line(place)}: {words!r} for {span.slot}={span.value!r}"
    ]


def _misses(turn: Turn, span: Span) -> bool:
    if span.value == "dontcare" or covers(turn, span):
        return False
    cuts = (turn.text[max(at - 1, 0) : at + 1] for at in (span.start, span.end) if at)
    return turn.speaker == "system" or any(_INSIDE.fullmatch(cut) for cut in cuts)


def _by_split(splits: Iterable[str | None]) -> str:
    """Return how many are in which split, for after a count; "" where none is known."""
    counts = Counter(split for split in splits if split)
    return f" ({', '.join(f'{split} {count}' for split, count in counts.items())})" if counts else ""
