"""How alike the answers of two rows are, by the words that they share: a copy with other words in it is a copy.

Two answers are alike when they share 70 % of the words of the shorter one, in any order; the likeness of two rows is
the share of their answers that are alike. Words that are added to an answer therefore change nothing, however many.
Measured on MultiWOZ 2.2 (7,372 replies) and on the town (403), each row against the gold replies:

    eleven published systems and our own rows   at most 0.26 (town: 0.35)
    gold replies and words added, or half left  1.00
    gold replies, one word in five replaced     0.86, one word in three 0.61

Half of the gold replies give 0.46 to 0.5. Of the words of the longer answer (`whole`) honest rows share as much in at
most 0.08 of the replies (town: 0.18), half of the gold replies in 0.45. And against each other: three seeds of one
recipe 0.77, published systems at most 0.62; another's row with a word of each reply replaced 1.00, one word in five
0.87.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab_lib.results.names import plain_letters
from lab_lib.tasks.base import Task

SHARED = 0.7  # of the shorter answer's words: then two answers are alike
SHORT = 5  # words; of shorter answers ("you are welcome") many are the same by chance
COPIED, SUSPICIOUS = 0.8, 0.5  # likeness to the oracle, of free text: above them a fault, a remark
ANOTHERS, CLOSE = 0.95, 0.85  # likeness of two rows: above them a fault, a remark
WHOLE = 0.35  # likeness to the oracle by the words of the longer answer: above it a remark
OWN = 0.995  # the same for two rows of one person in one table: there is no result in one answer of 200
FEWEST = 10  # mistakes that two rows need before they are compared by them
ONE_FOR_ALL = 0.5  # share of answers that are one and the same; published systems have at most 0.24
BITS = 40  # of the hash of a word; the bits above them number the answer

Place = tuple[str, int]  # of an answer: key of its item, number in it


@dataclass(frozen=True)
class Said:
    """What the answers of a row say: `ids` has one number for each word of each answer, `sizes` the words of each.

    A word that an answer has twice has two numbers, so that shared numbers are shared words. Answers stand in the
    order of `places`; `texts` are hashes of the whole answers, in the same order.
    """

    ids: np.ndarray[Any, np.dtype[np.int64]]
    sizes: np.ndarray[Any, np.dtype[np.int64]]
    texts: np.ndarray[Any, np.dtype[np.int64]]
    places: tuple[Place, ...]


def read_said(predictions: Mapping[str, Sequence[Mapping[str, Any]]], task: Task[Any]) -> Said:
    """Return what predictions say, as the task reads words (`Task.words_of`)."""
    answers = {(key, place): task.words_of(_plain(answer)) for key, turns in sorted(predictions.items())
               for place, answer in enumerate(turns)}  # fmt: skip
    words = [text.split() for text in answers.values()]
    return Said(
        np.unique(np.array([one for number, found in enumerate(words) for one in _ids(number, found)], dtype=np.int64)),
        np.array([len(found) for found in words], dtype=np.int64),
        np.array([hash(text) for text in answers.values()], dtype=np.int64),
        tuple(answers),
    )


def _plain(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an answer as it is read: a letter that looks like another one, or that nobody sees, is no other word."""
    return {**answer, "response": plain_letters(answer["response"])} if "response" in answer else answer


def _ids(number: int, words: Sequence[str]) -> list[int]:
    """Return a number for each word: that of the answer, then a hash of the word and how often it came before."""
    seen: Counter[str] = Counter()
    found = []
    for word in words:
        found.append(number << BITS | hash((word, seen[word])) & (1 << BITS) - 1)
        seen[word] += 1
    return found


def in_common(*every: Said) -> list[Said]:
    """Return what some rows say where all of them say something: one of a sample answers a part of what others do."""
    places = set(every[0].places).intersection(*(said.places for said in every))
    return [_at(said, tuple(place for place in every[0].places if place in places)) for said in every]


def _at(said: Said, places: tuple[Place, ...]) -> Said:
    """Return what a row says at some of its places."""
    if places == said.places:
        return said
    numbers = {place: number for number, place in enumerate(said.places)}
    kept = np.array([numbers[place] for place in places], dtype=np.int64)
    renumbered = np.full(len(said.places), -1, dtype=np.int64)
    renumbered[kept] = np.arange(len(kept))
    owners = renumbered[said.ids >> BITS]
    ids = owners << BITS | said.ids & (1 << BITS) - 1
    return Said(np.unique(ids[owners >= 0]), said.sizes[kept], said.texts[kept], places)


def likeness(one: Said, other: Said, whole: bool = False) -> float:
    """Return the share of answers that are alike, of those with at least 5 words; 0 for rows of other answers.

    With `whole` alike means to share 70 % of the words of the longer answer, not of the shorter one.
    Where every answer is short, as labels are, all of them count, and those that are equal are alike.
    """
    if one.places != other.places or not one.places:
        return 0.0
    common = np.intersect1d(one.ids, other.ids, assume_unique=True)
    shared = np.bincount(common >> BITS, minlength=len(one.places))
    shorter, longer = np.minimum(one.sizes, other.sizes), np.maximum(one.sizes, other.sizes)
    words = longer if whole else np.maximum(shorter, SHORT)
    alike = (shared >= SHARED * words) | ((one.texts == other.texts) & (one.sizes > 0))
    counted = longer >= SHORT if (longer >= SHORT).any() else longer > 0
    return float(alike[counted].mean()) if counted.any() else 0.0


def common_mistakes(one: Said, other: Said, oracle: Said) -> float:
    """Return the share of equal answers among those that one row or the other has wrong; 0 with fewer than 10 of them.

    For answers that are right in one wording alone: two good systems have the right ones in common, and only mistakes
    tell a copy.
    """
    if not one.places == other.places == oracle.places:
        return 0.0
    wrong = (one.texts != oracle.texts) | (other.texts != oracle.texts)
    return float((one.texts == other.texts)[wrong].mean()) if wrong.sum() >= FEWEST else 0.0


def of_one_answer(said: Said) -> float:
    """Return the share of answers that are the most frequent one."""
    return float(np.unique(said.texts, return_counts=True)[1].max() / len(said.texts)) if said.places else 0.0
