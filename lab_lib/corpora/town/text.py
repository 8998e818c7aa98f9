"""From a template with `{slot}` places to a sentence and the position of every value in it."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SMALL_WORDS = {"and", "of", "on", "the", "to", "at"}
TITLED = {"name", "address", "departure", "destination", "food"}
LOWER_FOODS = {"vegetarian"}
PLURALS = {"gallery": "galleries"}
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
_PLACE = re.compile(r"\{(\w+)(?::(\w+))?\}")


@dataclass(frozen=True)
class Act:
    """What a speaker means: a kind (`offer`, `tell`, ...), its domain and (slot, value) pairs."""

    kind: str
    domain: str = ""
    values: tuple[tuple[str, str], ...] = ()

    def slots(self) -> tuple[str, ...]:
        """Return the slot names in order."""
        return tuple(slot for slot, _ in self.values)

    def asked(self) -> tuple[str, ...]:
        """Return the slots whose value is asked for."""
        return tuple(slot for slot, value in self.values if value == "?")


@dataclass(frozen=True)
class Mention:
    """A value standing at `text[start:end]`; `value` is the database's spelling of it."""

    slot: str
    value: str
    start: int
    end: int


def pick(rng: random.Random, templates: Sequence[str]) -> str:
    """Draw a template; the first is the likeliest, weights fall as 1, 1/1.4, 1/1.7, 1/2, ... (root of the rank).

    Real text has favourite wordings too. A model that always says the likeliest one gets credit for it.
    """
    return rng.choices(templates, [rank**-0.5 for rank in range(1, len(templates) + 1)])[0]


def realise(template: str, values: Mapping[str, str]) -> tuple[str, list[Mention]]:
    """Fill a template and return the text and its mentions.

    `{slot}` is a value, `{slot:form}` a value in a form (`plural`, `adjective`, `word`), `{slot2}` a second value of
    the same slot. Words that depend on a value are no mentions: `{a}` (a or an before the next word), `{people}`,
    `{tickets}` and `{nights}`. Raises KeyError when a value is missing: a bug of the wording files.
    """
    template = re.sub(r" +([.,?!])", r"\1", " ".join(template.split()))
    parts: list[tuple[str, str, str]] = []
    position = 0
    for place in _PLACE.finditer(template):
        parts.append((template[position : place.start()], "", ""))
        parts.append(_fill(place[1], place[2], values))
        position = place.end()
    parts.append((template[position:], "", ""))
    return _assemble(parts)


def _fill(name: str, form: str | None, values: Mapping[str, str]) -> tuple[str, str, str]:
    """Return (text, slot, value) of one place; the slot is empty for words that are no mention."""
    if name == "a":
        return "{a}", "", ""
    if name in ("people", "tickets", "nights"):
        one, many, slot = {
            "people": ("person", "people", "bookpeople"),
            "tickets": ("ticket", "tickets", "bookpeople"),
            "nights": ("night", "nights", "bookstay"),
        }[name]
        return (one if values[slot] == "1" else many), "", ""
    return surface(name.rstrip("2"), values[name], form), name.rstrip("2"), values[name]


def _assemble(parts: list[tuple[str, str, str]]) -> tuple[str, list[Mention]]:
    text, mentions = "", []
    for number, (piece, slot, value) in enumerate(parts):
        if piece == "{a}":
            following = "".join(p for p, _, _ in parts[number + 1 :]).lstrip()
            piece = "an" if following[:1].lower() in tuple("aeiou") else "a"
        if slot:
            mentions.append(Mention(slot, value, len(text), len(text) + len(piece)))
        text += piece
    # A value may open the sentence: "Vegetarian food."
    return text[:1].upper() + text[1:], mentions


def surface(slot: str, value: str, form: str | None = None) -> str:
    """Return a value as it is written in running text.

    >>> surface("name", "fig and thistle"), surface("type", "gallery", "plural"), surface("day", "friday")
    ('Fig and Thistle', 'galleries', 'Friday')
    """
    if form == "plural":
        return PLURALS.get(value, f"{value}s")
    if form == "adjective":
        return "moderately priced" if value == "moderate" else value
    if form == "word":
        return NUMBERS[int(value)]
    if slot in TITLED and value not in LOWER_FOODS:
        words = value.split()
        return " ".join(w if w in SMALL_WORDS and n else w.capitalize() for n, w in enumerate(words))
    if slot in ("day", "bookday"):
        return value.capitalize()
    return value.upper() if slot in ("postcode", "trainid", "ref") else value


def joined(phrases: Sequence[str], word: str = "and") -> str:
    """Join phrases as English does.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} {word} {phrases[-1]}"


def sentence(text: str) -> str:
    """Return a template with its first letter in upper case (a place at the start is left alone)."""
    return text[:1].upper() + text[1:]
