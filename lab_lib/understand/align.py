"""Align an utterance with a template, to find the words that fill the placeholders.

    template    I like to get <quantity> ticket to <destination>
    utterance            I want two  tickets to New York     ->  <destination> is "New York"

Words that occur in both are aligned. A placeholder gets the words between its neighbours if these are aligned too, and
if two adjacent words agree: a single one ("to") occurs in too many sentences. Uncertain placeholders are left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from lab_lib.exemplars.template import PLACEHOLDER, SlotSpan

TOKEN = re.compile(r"<[A-Za-z][A-Za-z0-9_]*>|\w+(?:['’]\w+)*|[^\w\s]")
LETTERS = 4  # leading letters that are compared: `ticket` equals `tickets`
LONGEST = 8  # words per value, at most
BESIDE = 2  # adjacent words that must agree, on both sides together
APART = 3  # largest distance, in words, between two of those in the utterance
TAIL = {"please", "thanks", "thank", "thx", "cheers"}  # words that end a request and belong to no value


def align(template: str, utterance: str) -> list[SlotSpan]:
    """Return the spans of an utterance that fill placeholders of a template; uncertain ones are missing.

    >>> align("I like to get <quantity> ticket to <destination>", "I want two tickets to New York, please")
    [SlotSpan(start=22, end=30, slot='destination')]
    """
    pattern, words = _ended(TOKEN.findall(template)), list(TOKEN.finditer(utterance))
    said = [_form(word[0]) for word in words]
    wanted = [f"\0{place}" if PLACEHOLDER.fullmatch(token) else _form(token) for place, token in enumerate(pattern)]
    pairs = {block.a + n: block.b + n
             for block in SequenceMatcher(None, wanted, said, autojunk=False).get_matching_blocks()
             for n in range(block.size)}  # fmt: skip
    found, ends = list[SlotSpan](), dict[int, int]()  # {index of a filled placeholder: index of its last word}
    for place, token in enumerate(pattern):
        if not PLACEHOLDER.fullmatch(token):
            continue
        left = -1 if place == 0 else ends.get(place - 1, pairs.get(place - 1))
        right = len(said) if place == len(pattern) - 1 else pairs.get(place + 1)
        if left is None or right is None or _agreeing(place, left, right, pairs, ends, len(pattern)) < BESIDE:
            continue
        last = _last(said, left, right, open_end=place == len(pattern) - 1)
        if left < last <= left + LONGEST:
            found.append(SlotSpan(words[left + 1].start(), words[last].end(), token[1:-1]))
            ends[place] = last
    return found


def _ended(tokens: Sequence[str]) -> list[str]:
    """Return tokens without final punctuation, which an utterance may lack."""
    kept = list(tokens)
    while kept and kept[-1] in ".!?":
        kept.pop()
    return kept


def _form(word: str) -> str:
    """Return the form in which words are compared: their first letters, in lower case."""
    return word.lower()[:LETTERS]


def _agreeing(place: int, left: int, right: int, pairs: dict[int, int], ends: dict[int, int], size: int) -> int:
    """Return how many neighbours of a placeholder agree, at most two per side; a common beginning counts as one."""
    count, at = 0, left
    for other in (place - 1, place - 2):
        spot = ends.get(other, pairs.get(other))
        if other == -1:
            count += at == 0 and place > 0
        elif spot is None or at - spot > APART:
            break
        else:
            count, at = count + 1, spot
    at = right
    for other in (place + 1, place + 2):
        if other >= size or other not in pairs or pairs[other] - at > APART:
            break
        count, at = count + 1, pairs[other]
    return count


def _last(said: Sequence[str], left: int, right: int, open_end: bool) -> int:
    """Return the index of a value's last word; a value at the end stops before punctuation and polite words."""
    if open_end:
        tail = {_form(word) for word in TAIL}
        right = next((n for n in range(left + 1, right) if said[n] in tail or not re.match(r"\w", said[n])), right)
    return right - 1
