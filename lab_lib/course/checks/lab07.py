"""Checks of lab 07: BM25, fusion of ranks, a leak, recall without the item itself, the threshold of none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lab_lib.course.checks.core import Exercise, Wrong, brief, call, close, equal, floats, near, refuse_traps
from lab_lib.course.checks.lab07_shows import SHOWS as SHOWS

Words = list[str]
BM25: list[tuple[str, list[str], str]] = [
    ("a", ["a", "b"], "ln(1 + (2 - 1 + 0.5) / (1 + 0.5)), times 1 / (1 + k1), since both texts are of mean length"),
    ("a", ["a b", "b"], "A text that is longer than the mean has a lower score"),
    ("a", ["a a", "a b", "c d"], "A second occurrence counts less than the first"),
    ("a b", ["a b", "a c", "c d"], "The scores of the words are added"),
    ("a a", ["a", "b"], "Each distinct word of the query counts once"),
    ("z", ["a", "b"], "A word that is in no text changes nothing"),
    ("a", ["", "a"], "A text without words has the score 0, and counts in N and in the mean length"),
    ("a", ["a", "a", "a"], "A word that is in every text counts little, but not negatively"),
]


def scores(query: Words, texts: Sequence[Words], k1: float = 1.5, b: float = 0.75) -> list[float]:
    """Return the right scores: BM25 as in Lucene."""
    mean = sum(map(len, texts)) / len(texts)
    found = []
    for text in texts:
        having = {word: sum(word in other for other in texts) for word in query}
        parts = [
            math.log(1 + (len(texts) - having[word] + 0.5) / (having[word] + 0.5))
            * (text.count(word) / (text.count(word) + k1 * (1 - b + b * len(text) / mean)) if word in text else 0.0)
            for word in dict.fromkeys(query)
        ]
        found.append(sum(parts))
    return found


def bm25(answer: Any) -> None:
    for asked, written, why in BM25:
        query, texts = asked.split(), [text.split() for text in written]
        given = f"query={query}, texts={texts}"
        expected = scores(query, texts)
        got = call(answer, list(query), [list(text) for text in texts], given=given)
        if near(got, [2.5 * value for value in expected]) and any(expected):
            raise Wrong(f"for {given}: got {brief(got)}, which has a factor k1 + 1; the formula above has none")
        close(got, expected, given=given, tolerance=1e-9, why=why)
    query, texts = ["a"], [["a", "b"], ["b"]]
    given = f"query={query}, texts={texts}, k1=1.0, b=0.0"
    got = call(answer, query, texts, given=given, k1=1.0, b=0.0)
    close(got, scores(query, texts, 1.0, 0.0), given=given, tolerance=1e-9, why="k1 and b are parameters")


FUSED: list[tuple[list[list[str]], int, str]] = [
    ([["a", "b"]], 60, "One ranking stays as it is"),
    ([["a", "b", "c"], ["c", "a"]], 60, "a: ranks 1 and 2; c: ranks 3 and 1; b: rank 2 alone"),
    ([["a", "b"], ["b", "a"]], 60, "Among equal points the text that occurs first comes first"),
    ([["b"], ["a"]], 60, "Among equal points the text that occurs first comes first, not by the alphabet"),
    ([["a", "x", "y", "b"], ["b", "z"]], 60,
     "A text that is in both rankings has the points of both; z has rank 2, as x has, and occurs later"),
    ([["a", "x", "y", "z", "b"], ["b"]], 0, "With c = 0 rank 1 counts 1, rank 2 a half"),
    ([[], ["a"]], 60, "A ranking may be empty"),
    ([], 60, "Without rankings the list is empty"),
]  # fmt: skip


def fuse(answer: Any) -> None:
    for rankings, constant, why in FUSED:
        given = f"rankings={rankings}, c={constant}"
        expected = fused(rankings, constant)
        got = call(answer, [list(one) for one in rankings], constant, given=given)
        if isinstance(got, dict):
            raise Wrong(f"for {given}: got {brief(got)}, expected a list of texts, the one with the most points first")
        equal(got, expected, given=given, why=why)


def fused(rankings: Sequence[Sequence[str]], constant: int) -> list[str]:
    """Return the right fusion."""
    points: dict[str, float] = {}
    for ranking in rankings:
        for rank, text in enumerate(ranking, 1):
            points[text] = points.get(text, 0.0) + 1 / (constant + rank)
    return sorted(points, key=lambda text: -points[text])


LEAKS: list[tuple[list[str], list[str], list[int], str]] = [
    (["Book a table"], ["Find a table", "Book a table"], [1], ""),
    (["Book a table"], ["book A TABLE"], [0], "Case does not count"),
    (["Book  a table"], [" Book a\ttable "], [0], "White space does not count"),
    (["Book a table!"], ["Book a table", "book a table ."], [0, 1], "Marks at the end do not count"),
    (["No, thanks"], ["No thanks"], [], "Marks inside count: only those at the end are removed"),
    (["a table"], ["Book a table"], [], "A part of an utterance is another utterance"),
    (["b", "a"], ["a", "c", "b"], [0, 2], "Places are those in `test`, ascending"),
    (["a", "a"], ["a", "a"], [0, 1], "Every leaked utterance of `test` has its place in the list, once"),
    ([], ["a"], [], "An empty training set leaks nothing"),
]


def leaks(answer: Any) -> None:
    for train, test, expected, why in LEAKS:
        given = f"train={train}, test={test}"
        got = call(answer, list(train), list(test), given=given)
        if isinstance(got, set | tuple):
            raise Wrong(f"for {given}: got {brief(got)}, expected a list of places, ascending")
        if expected and got == [test[place] for place in expected]:
            raise Wrong(f"for {given}: got {brief(got)}, the utterances themselves; expected their places")
        equal(got, expected, given=given, why=why)


RANKED: list[tuple[list[list[int]], list[str], list[str], int, list[int | None], str]] = [
    ([[0, 1]], ["f", "g"], ["f"], 1, [None], "The utterance is not in the index: the first one counts"),
    ([[1, 0]], ["f", "g"], ["f"], 1, [None], "At k = 1 only the first one counts"),
    ([[1, 0]], ["f", "g"], ["f"], 2, [None], "At k = 2 the second one counts too"),
    ([[0, 1, 2]], ["f", "g", "f"], ["f"], 1, [0], "The utterance itself is removed: then place 1 is the first"),
    ([[0, 1, 2]], ["f", "g", "f"], ["f"], 2, [0], "Remove the utterance first, then look at the first k: 1 and 2"),
    ([[1, 0, 2]], ["f", "f", "g"], ["f"], 1, [0], "The utterance itself may stand anywhere"),
    ([[0, 1], [0, 1]], ["f", "g"], ["f", "g"], 1, [None, None], "A share of the utterances: 1 of 2"),
    ([[1, 2], [2, 1]], ["f", "g", "f"], ["f", "h"], 2, [0, None], "h has no exemplar: it is never found"),
    ([[], [0]], ["f"], ["f", "f"], 3, [None, None], "Where nothing was found, nothing is right"),
]


def recall_at(answer: Any) -> None:
    for ranked, owners, gold, k, own, why in RANKED:
        given = f"ranked={ranked}, owners={owners}, gold={gold}, k={k}, own={own}"
        expected = recall(ranked, owners, gold, k, own)
        got = call(answer, [list(one) for one in ranked], list(owners), list(gold), k, list(own), given=given)
        traps = {recall(ranked, owners, gold, k, [None] * len(own)): "with the utterance itself in the index",
                 _cut_first(ranked, owners, gold, k, own): "the first k were taken before the utterance was removed",
                 100 * expected: "in per cent; expected a share"}  # fmt: skip
        refuse_traps(got, {value: text for value, text in traps.items() if value != expected}, given)
        close(got, expected, given=given, tolerance=1e-9, why=why)


def recall(ranked: Any, owners: Sequence[str], gold: Sequence[str], k: int, own: Sequence[int | None]) -> float:
    """Return the right recall."""
    kept = [[place for place in places if place != itself] for places, itself in zip(ranked, own, strict=True)]
    hits = [any(owners[place] == right for place in one[:k]) for one, right in zip(kept, gold, strict=True)]
    return sum(hits) / len(hits)


def _cut_first(ranked: Any, owners: Sequence[str], gold: Sequence[str], k: int, own: Sequence[int | None]) -> float:
    return recall([places[:k] for places in ranked], owners, gold, k, own)


THRESHOLDS: list[tuple[list[float], list[bool], str]] = [
    ([0.9, 0.8, 0.2, 0.1], [True, True, False, False], "Between 0.2 and 0.8 there is no mistake"),
    ([0.1, 0.9], [True, False], "The nearer one does not ask: some mistake is made wherever the threshold lies"),
    ([0.5, 0.5], [True, False], "Both have the same likeness: every threshold makes one mistake of two"),
    ([0.9, 0.6, 0.4, 0.5], [True, True, True, False], "Shares count: one of three that ask against the only other"),
    ([0.4, 0.9, *[0.5] * 3, *[0.1] * 5], [True, True, *[False] * 8], "Shares count, not numbers: 3 of 8 or 1 of 2"),
    ([0.8, 0.7, 0.1, 0.75, 0.2, 0.3], [True, True, True, False, False, False], ""),
]


def none_threshold(answer: Any) -> None:
    for likeness, asks, why in THRESHOLDS:
        given = f"likeness={likeness}, asks={asks}"
        got = call(answer, list(likeness), list(asks), given=given)
        value = floats(got, given=given, form="one number, a threshold")
        if value.shape != () or math.isnan(float(value)):
            raise Wrong(f"for {given}: got {brief(got)}, expected one number, a threshold")
        cuts = [*likeness, max(likeness) + 1]
        best = min(_mistakes(likeness, asks, cut) for cut in cuts)
        made = _mistakes(likeness, asks, float(value))
        if made > best + 1e-9:
            end = f". {why}" if why else ""
            raise Wrong(f"for {given}: {brief(got)} gives mistakes of {made:.3f}, the fewest are {best:.3f}{end}")


def _mistakes(likeness: Sequence[float], asks: Sequence[bool], cut: float) -> float:
    """Return the share of those that ask and fall below, plus the share of the others that reach the threshold."""
    asking = [value for value, kind in zip(likeness, asks, strict=True) if kind]
    others = [value for value, kind in zip(likeness, asks, strict=True) if not kind]
    return sum(value < cut for value in asking) / len(asking) + sum(value >= cut for value in others) / len(others)


CHECKS = {
    "07.1": Exercise("BM25", bm25, "First count, for each word of the query, the texts that contain it."),
    "07.2": Exercise("rank fusion", fuse, "Sum the points in a dict; sorted() keeps the order of equal ones."),
    "07.3": Exercise("the leak", leaks, "Normalise both sides first; str.rstrip takes several characters."),
    "07.4": Exercise("recall without the item itself", recall_at, "Remove the place `own[i]` before you cut at k."),
    "07.5": Exercise("the threshold of none", none_threshold, "It is enough to try each likeness and one above all."),
}
