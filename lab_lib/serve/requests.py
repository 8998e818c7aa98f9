"""Two requests in one sentence: where it may be cut, and which of its words the call for the whole does not cover."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lab_lib.calls.skills.skill import Skills
from lab_lib.serve.answers import Answer
from lab_lib.serve.unsaid import is_named, mentions, words_of
from lab_lib.speech.said_amounts import amounts_said, reads_amounts

TWICE = "This sounds like two requests to {}; ask for one at a time."
PERHAPS = 'Did you mean "{}"? Then say that alone.'
MOST_SPLITS = 3  # places where a sentence is tried to be two requests; each costs two more requests
LIKELY = 1e-3  # probability of a call's text from which on a part beside a comma is a request of its own
MOST_PARTS = 24  # of a sentence that a model reads: a text of a hundred sentences would keep it for minutes
# Where a sentence may fall into two requests, in the languages of the bundled examples; and where it rarely does.
BETWEEN = re.compile(r"[,;.!?]*\s+(?:and then|and also|and|then|und dann|und|dann)\s+|[;.!?]+\s+", re.IGNORECASE)
COMMA = re.compile(r",\s+(?!(?:and|then|und|dann)\s)", re.IGNORECASE)
# Words that ask for nothing when they stand alone.
COURTESY = frozenset(
    ("thanks", "thank", "you", "please", "cheers", "ok", "okay", "now", "dear", "danke", "bitte", "jetzt")
)


def splits(text: str, between: re.Pattern[str] = BETWEEN) -> list[tuple[str, str]]:
    """Return the ways to cut a text into two requests.

    >>> splits("wake me at six and play jazz")
    [('wake me at six', 'play jazz')]
    """
    places = list(between.finditer(text.strip()))[:MOST_SPLITS]
    pairs = [(text.strip()[: place.start()].strip(), text.strip()[place.end() :].strip()) for place in places]
    return [(left, right) for left, right in pairs if words_of(left) and words_of(right)]


def comma_splits(whole: Answer, skills: Skills) -> list[tuple[str, str]]:
    """Return the ways to cut a request at a comma so that its call has nothing of one part.

    `eggs, seven minutes` is one request, because its call has both.
    """
    if not whole.call:
        return []
    return [
        parts for parts in splits(whole.utterance, COMMA) if any(is_left_out(part, whole, skills) for part in parts)
    ]


def is_left_out(text: str, whole: Answer, skills: Skills) -> bool:
    """Return whether a part of a request says no value of the call for the whole and does not name its skill.

    A single word is left out only beside a value (`Oslo and Berlin`): alone, it asks for nothing.
    """
    words = words_of(text)
    if set(words) <= COURTESY or is_named(skills[whole.name], text) or _is_added(text, whole):
        return False
    if any(mentions(text, value) for value in _values(whole)):
        return False
    return len(words) > 1 or _is_beside(words[0], whole)


def _is_added(text: str, whole: Answer) -> bool:
    """Return whether a part has a summand of a number: `three hours and ten minutes` are 190."""
    if not reads_amounts():
        return False
    said = amounts_said(whole.utterance)
    added = any(value in said.minutes and value not in said.numbers for value in _values(whole))
    return added and bool(amounts_said(text).numbers)


def _is_beside(word: str, whole: Answer) -> bool:
    """Return whether a word stands directly beside a value, with a comma or `and` between them."""
    said = f" {' '.join(words_of(re.sub(',', ' and ', whole.utterance)))} "
    texts = [" ".join(words_of(value)) for value in _values(whole) if isinstance(value, str)]
    links = ("and", "then", "und", "dann")
    pairs = [pair for text in texts for pair in ((text, word), (word, text))]
    return any(f" {one} {link} {other} " in said for one, other in pairs for link in links)


def _other_option(text: str, whole: Answer, skills: Skills) -> bool:
    """Return whether a part says another option than the call has, and none that it has: `the kitchen light`."""
    values, words = _values(whole), f" {' '.join(words_of(text))} "
    options = [
        option
        for one in skills[whole.name].function.parameters
        if one.name in whole.arguments and "pattern" not in one.raw
        for option in one.raw.get("enum", ())
        if isinstance(option, str)
    ]
    said = [option for option in options if f" {' '.join(words_of(option))} " in words]
    return bool(said) and not any(option in values for option in said)


def asks(part: Answer, skills: Skills) -> bool:
    """Return whether a part beside a comma asks for something: it names a skill, or the model finds its call likely."""
    likely = bool(part.call) and part.text_probability >= LIKELY
    return likely or any(is_named(skill, part.utterance) for skill in skills.values())


def covers(whole: Answer, *parts: Answer) -> bool:
    """Return whether one call has everything that the calls of the parts have: `milk and eggs` are one request."""
    if not whole.call or any(part.name != whole.name for part in parts):
        return False
    return all(value in _values(whole) for part in parts for value in _values(part))


def joined(whole: Answer, first: Sequence[Answer], second: Sequence[Answer]) -> list[Answer]:
    """Return the answers of the parts of a sentence, or that it has two requests to one skill."""
    twice = [answer.name for answer in first if answer.name in [other.name for other in second]]
    return [refused_twice(whole, twice[0])] if twice else [*first, *second]


def refused_twice(whole: Answer, name: str) -> Answer:
    """Return the refusal of a sentence with two requests to a skill."""
    return replace(whole, call="", reason="several", said=TWICE.format(name))


def partly(whole: Answer, first: Answer, second: Answer, skills: Skills) -> list[Answer]:
    """Return the answers to a sentence whose parts are not both calls; none if the call for the whole covers both.

    A part in which an argument is missing, or whose call was refused, is answered for itself. Of other words the answer
    says that nothing was understood. Where the whole asks for nothing, nothing is called: the part is named.
    """
    part, other = (first, second) if first.call else (second, first)
    if whole.reason == "nothing":
        said = f"{whole.said} {PERHAPS.format(part.utterance)}"
        return [replace(whole, said=said)] if part.call and not other.call else []
    if not whole.call:
        return [first, second] if part.call and other.reason != "nothing" else []
    if any(_differ(one, whole) or _other_option(one.utterance, whole, skills) for one in (first, second)):
        return [refused_twice(whole, whole.name)]
    left_out = [one for one in (first, second) if is_left_out(one.utterance, whole, skills)]
    if part.call and other in left_out and other.reason != "nothing":
        return [first, second]
    return [replace(whole, lost="; ".join(one.utterance for one in left_out))] if left_out else []


def _differ(part: Answer, whole: Answer) -> bool:
    """Return whether a part says another value of a parameter than the call for the whole has."""
    if part.name != whole.name or not part.call:
        return False
    pairs = [(value, whole.arguments[name]) for name, value in part.arguments.items() if name in whole.arguments]
    return any(
        not isinstance(value, list) and mentions(part.utterance, value) and not mentions(str(other), value)
        for value, other in pairs
    )


def _values(answer: Answer) -> list[Any]:
    values = answer.arguments.values()
    return [one for value in values for one in (value if isinstance(value, list) else [value])]
