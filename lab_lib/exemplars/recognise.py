"""Recognisers: find values of slots in an utterance without a model, by expressions or a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lab_lib.calls.skills.skill import Skill
from lab_lib.calls.skills.values import inner
from lab_lib.errors import LabError


@dataclass(frozen=True)
class Mention:
    """A value at `utterance[start:end]`."""

    start: int
    end: int
    value: str


@dataclass(frozen=True)
class Recogniser:
    """The ways to say the values of a slot: {value: its expressions}, a regular expression, or both.

    An expression matches whole words in any case and yields its value; a match of the pattern is itself the value.
    Raises LabError for an invalid regular expression.
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
        """Return the distinct values in the order in which they are said; the longest of those at one place.

        >>> Recogniser("to", {"NYC": ("New York", "NYC"), "York": ("York",)}).found("to new york")
        ('NYC',)
        """
        return tuple(dict.fromkeys(one.value for one in self.mentions(utterance)))

    def mentions(self, utterance: str) -> list[Mention]:
        """Return the mentions of values, without overlaps."""
        spots = (
            [(m, self.values.get(m[0].lower(), m[0])) for m in self._words.finditer(utterance)] if self.values else []
        )
        spots += [(m, m[0]) for m in self._pattern.finditer(utterance)] if self.pattern else []
        kept, end = list[Mention](), 0
        for place, value in sorted(spots, key=lambda spot: (spot[0].start(), -spot[0].end())):
            if place.start() >= end and place[0]:
                kept.append(Mention(place.start(), place.end(), value))
                end = place.end()
        return kept

    @cached_property
    def values(self) -> dict[str, str]:
        """{expression in lower case: its value}; a value is also its own expression."""
        return {
            text.lower(): value for value, texts in self.entries.items() for text in (*texts, value) if text.strip()
        }

    @cached_property
    def _words(self) -> re.Pattern[str]:
        longest = sorted(self.values, key=len, reverse=True)  # the first alternative that matches wins
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)", re.IGNORECASE)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf"(?<!\w)(?:{self.pattern})(?!\w)")


def pattern_recognisers(skill: Skill) -> list[Recogniser]:
    """Return a recogniser for each slot of a function whose schema has a pattern."""
    raws = {one.name: one.raw for one in skill.function.parameters}
    return [Recogniser(slot, pattern=inner(raw["pattern"])) for slot, raw in raws.items() if "pattern" in raw]


def recognise(utterance: str, recognisers: Iterable[Recogniser]) -> dict[str, tuple[str, ...]]:
    """Return {slot: values that are said}, without slots for which nothing is found."""
    found: dict[str, tuple[str, ...]] = {}
    for one in recognisers:
        found[one.slot] = tuple(dict.fromkeys((*found.get(one.slot, ()), *one.found(utterance))))
    return {slot: values for slot, values in found.items() if values}
