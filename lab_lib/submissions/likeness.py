"""The likeness of two rows' answers by shared words, so that a copy with changed words is still detected.

Two answers are alike when they share 70 % of the words of the shorter one, in any order; the likeness of two rows is
the share of their answers that are alike. Adding any number of words to an answer therefore changes nothing. Measured
on MultiWOZ 2.2 (7,372 replies) and on the town (403), each row against the gold replies:

    eleven published systems and our own rows   at most 0.26 (town: 0.35)
    gold replies and words added, or half left  1.00
    gold replies, one word in five replaced     0.86, one word in three 0.61

Half of the gold replies give 0.46 to 0.5. Measured by the words of the longer answer (`whole`), honest rows are alike
in at most 0.08 of the replies (town: 0.18), and half of the gold replies in 0.45. Rows compared with each other: three
seeds of one recipe 0.77, published systems at most 0.62; a copied row with one word of each reply replaced 1.00, with
one word in five replaced 0.87.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab_lib.results.names import plain_letters
from lab_lib.tasks.base import Task

SHARED = 0.7  # share of the shorter answer's words from which two answers are alike
SHORT = 5  # words; many shorter answers ("you are welcome") are equal by chance
COPIED, SUSPICIOUS = 0.8, 0.5  # likeness to the oracle, of free text: above them a fault, a remark
ANOTHERS, CLOSE = 0.95, 0.85  # likeness of two rows: above them a fault, a remark
WHOLE = 0.35  # likeness to the oracle by the words of the longer answer: above it a remark
OWN = 0.995  # the same for two rows of one person in one table: a difference of 1 answer in 200 is no new result
FEWEST = 10  # minimum number of mistakes for comparing two rows by their mistakes
ONE_FOR_ALL = 0.5  # share of answers that are one and the same; published systems have at most 0.24
BITS = 40  # bits of a word's hash; the higher bits number the answer

Place = tuple[str, int]  # place of an answer: item key and answer number


@dataclass(frozen=True)
class Said:
    """The words of a row's answers: `ids` has one number per word of each answer, `sizes` the number of words of each.

    A repeated word has a second number, so that shared numbers are shared words. Answers are in the order of `places`;
    `texts` are hashes of the whole answers, in the same order.
    """

    ids: np.ndarray[Any, np.dtype[np.int64]]
    sizes: np.ndarray[Any, np.dtype[np.int64]]
    texts: np.ndarray[Any, np.dtype[np.int64]]
    places: tuple[Place, ...]


def read_said(predictions: Mapping[str, Sequence[Mapping[str, Any]]], task: Task[Any]) -> Said:
    """Return the words of predictions, as the task reads them (`Task.words_of`)."""
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
    """Return an answer as a reader sees it: similar-looking or invisible letters do not make a different word."""
    return {**answer, "response": plain_letters(answer["response"])} if "response" in answer else answer


def _ids(number: int, words: Sequence[str]) -> list[int]:
    """Return a number for each word from the answer's number, the word's hash and the word's previous count."""
    seen: Counter[str] = Counter()
    found = []
    for word in words:
        found.append(number << BITS | hash((word, seen[word])) & (1 << BITS) - 1)
        seen[word] += 1
    return found


def in_common(*every: Said) -> list[Said]:
    """Return the answers of some rows at their common places, because a row may cover only a sample."""
    places = set(every[0].places).intersection(*(said.places for said in every))
    return [_at(said, tuple(place for place in every[0].places if place in places)) for said in every]


def _at(said: Said, places: tuple[Place, ...]) -> Said:
    """Return the answers of a row at some of its places."""
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
    """Return the share of alike answers among those with at least 5 words; 0 for rows without common answers.

    With `whole`, alike answers share 70 % of the words of the longer answer, not of the shorter one. If all answers are
    short, such as labels, all of them count, and equal answers are alike.
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
    """Return the share of equal answers among those that are wrong in either row; 0 if these are fewer than 10.

    For answers with only one correct wording: two good systems share the correct ones, so only mistakes reveal a copy.
    """
    if not one.places == other.places == oracle.places:
        return 0.0
    wrong = (one.texts != oracle.texts) | (other.texts != oracle.texts)
    return float((one.texts == other.texts)[wrong].mean()) if wrong.sum() >= FEWEST else 0.0


def of_one_answer(said: Said) -> float:
    """Return the share of the most frequent answer."""
    return float(np.unique(said.texts, return_counts=True)[1].max() / len(said.texts)) if said.places else 0.0
