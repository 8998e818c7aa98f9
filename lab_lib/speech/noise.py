"""Simulate a recogniser's errors without audio: case, punctuation, fillers, homophones, numbers; drawn by a seed.

It augments training data with text as from speech, and replaces a recogniser for test sets. It is milder than a real
recogniser, which also confuses other words (see `lab calls speech`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection, Mapping

from lab_lib.speech.number_words import digits_to_words, words_to_digits

# How often each kind is in an utterance. Case and marks are those of recognisers that write none (most small ones);
# the rest was set by eye, not measured.
SHARES = {"numbers": 0.5, "homophones": 0.25, "fillers": 0.3, "marks": 0.6, "case": 0.5}
KINDS = tuple(SHARES)  # in the order in which they are applied
FILLERS = ("um", "uh", "er", "hm", "so", "well")
GROUPS = """
to two too|for four|write right|their there|weather whether|meet meat|buy by bye|hear here|see sea|sun son|won one
eight ate|flour flower|mail male|week weak|wait weight|know no|new knew|hour our|pair pear|peace piece|plain plane
road rode|sail sale|some sum|tail tale|wear where|wood would|which witch|whole hole|night knight|red read|blue blew
brake break|cell sell|dear deer|die dye|fair fare|feet feat|find fined|hi high|not knot|made maid|morning mourning
nose knows|past passed|rain reign|rose rows|scene seen|steak stake|steal steel|tea tee|threw through|tide tied
time thyme|toe tow|vein vain|waist waste|way weigh|wine whine|you ewe|your you're|its it's|lights lites|be bee
"""
HOMOPHONES: Mapping[str, tuple[str, ...]] = {
    word: tuple(other for other in group if other != word)
    for group in (part.split() for line in GROUPS.split("\n") for part in line.split("|"))
    for word in group
}
WORD = re.compile(r"[\w']+")
MARKS = re.compile(r"(?<!\d)[.,:;](?!\d)|[.,:;](?!\w)|[?!…\"“”()–—]|(?<=\s)-(?=\s)")


def noisy(text: str, seed: str, kinds: Collection[str] = KINDS, kept: Collection[str] = ()) -> str:
    """Return an utterance as a recogniser might write it; the same seed gives the same one.

    The words of `kept` (the values of a call) are not exchanged for others, so that the call can still be known from
    what is left; their case and the marks around them change as everywhere.

    >>> noisy("Set a timer for 15 minutes, please.", "4")
    'set a timer for fifteen minutes please'
    """
    spared = {word.lower() for value in kept for word in WORD.findall(value)}
    for kind in KINDS:
        source = random.Random(f"{seed}, {kind}")
        if kind in kinds and source.random() < SHARES[kind]:
            text = NOISES[kind](text, source, spared)
    return " ".join(text.split())


def _numbers(text: str, source: random.Random, spared: Collection[str]) -> str:
    """Write digits as words, or words as digits; texts that are values may hold numbers, and stay."""
    numbers = {word.lower() for word in WORD.findall(text) if word.isdigit() or words_to_digits(word) != word}
    if numbers & set(spared):
        return text
    return digits_to_words(text) if re.search(r"\d", text) else words_to_digits(text)


def _homophones(text: str, source: random.Random, spared: Collection[str]) -> str:
    """Exchange one word for another that sounds the same."""
    places = [
        found for found in WORD.finditer(text) if found[0].lower() in HOMOPHONES and found[0].lower() not in spared
    ]
    if not places:
        return text
    found = source.choice(places)
    return text[: found.start()] + source.choice(HOMOPHONES[found[0].lower()]) + text[found.end() :]


def _fillers(text: str, source: random.Random, spared: Collection[str]) -> str:
    """Put a filler before a word that is no value."""
    places = [found.start() for found in WORD.finditer(text) if found[0].lower() not in spared]
    place = source.choice(places or [0])
    return f"{text[:place]}{source.choice(FILLERS)} {text[place:]}"


def _marks(text: str, source: random.Random, spared: Collection[str]) -> str:
    """Leave the marks out; apostrophes, and marks within numbers, stay."""
    return MARKS.sub(" ", text).strip()


def _case(text: str, source: random.Random, spared: Collection[str]) -> str:
    return text.lower()


NOISES: Mapping[str, Callable[[str, random.Random, Collection[str]], str]] = {
    "numbers": _numbers,
    "homophones": _homophones,
    "fillers": _fillers,
    "marks": _marks,
    "case": _case,
}
