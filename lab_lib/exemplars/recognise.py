"""Recognisers: values of slots that are found in an utterance without a model, by expressions or a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lab_lib.calls.skills.skill import Skill
from lab_lib.calls.skills.values import inner
from lab_lib.errors import LabError


@dataclass(frozen=True)
class Recogniser:
    """What a slot may be said as: {value: expressions for it}, a regular expression, or both.

    An expression is found as whole words in any case, and stands for its value; what matches the pattern is a value.
    Raises LabError for a pattern that is no regular expression.
    """

    slot: str
    entries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pattern: str = ""

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise LabError(f"recogniser of '{self.slot}': {self.pattern!r} is no regular expression: {error}") from None

    def found(self, utterance: str) -> tuple[str, ...]:
        """Return the values that are said, in the order in which they are said; of those in one place the longest.

        >>> Recogniser("to", {"NYC": ("New York", "NYC"), "York": ("York",)}).found("to new york")
        ('NYC',)
        """
        spots = [
            (place.start(), -len(text), place.end(), value)
            for value, texts in self.entries.items()
            for text in (*texts, value)
            if text.strip()
            for place in re.finditer(rf"(?<!\w){re.escape(text)}(?!\w)", utterance, re.IGNORECASE)
        ]
        if self.pattern:
            matches = re.finditer(rf"(?<!\w)(?:{self.pattern})(?!\w)", utterance)
            spots += [(m.start(), m.start() - m.end(), m.end(), m[0]) for m in matches if m[0]]
        kept, end = list[str](), 0
        for start, _, stop, value in sorted(spots):
            if start >= end:
                kept.append(value)
                end = stop
        return tuple(dict.fromkeys(kept))


def pattern_recognisers(skill: Skill) -> list[Recogniser]:
    """Return a recogniser for each slot of a function whose schema has a pattern."""
    raws = {one.name: one.raw for one in skill.function.parameters}
    return [Recogniser(slot, pattern=inner(raw["pattern"])) for slot, raw in raws.items() if "pattern" in raw]


def recognise(utterance: str, recognisers: Iterable[Recogniser]) -> dict[str, tuple[str, ...]]:
    """Return {slot: values that are said}, without slots of which nothing is found."""
    found: dict[str, tuple[str, ...]] = {}
    for one in recognisers:
        found[one.slot] = tuple(dict.fromkeys((*found.get(one.slot, ()), *one.found(utterance))))
    return {slot: values for slot, values in found.items() if values}
