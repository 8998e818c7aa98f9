"""Checks of lab 22: neighbours, history, k-means, typical words, transitions, homogeneity."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from lab_lib.corpora.types import Speaker
from lab_lib.course.checks.core import Exercise, Wrong, brief, call, close, drawn, equal, plain, same
from lab_lib.course.checks.lab22_shows import SHOWS as SHOWS
from lab_lib.structure.cluster import with_history as right_with_history
from lab_lib.structure.quality import v_measure
from lab_lib.structure.transitions import transitions as right_transitions
from lab_lib.structure.utterances import Utterance


def nearest(answer: Any) -> None:
    angles = np.deg2rad([0, 80, 10, 0, 200])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    name = "5 vectors at the angles 0, 80, 10, 0 and 200 degrees"
    for i, count, expected, why in (
        (1, 1, [2], "The most similar row has the largest product; row i itself is left out"),
        (1, 3, [2, 0, 3], "The most similar one comes first"),
        (3, 2, [0, 2], "Leave out row i by its number: another row may be equal to it and come first"),
    ):
        given = f"{name}, i={i}, count={count}"
        got = call(answer, vectors, i, count, given=given)
        rows = plain(got)
        if isinstance(rows, list) and rows and all(isinstance(row, float) for row in rows):
            raise Wrong(f"for {given}: got {brief([round(x, 2) for x in rows])}, similarities; expected row numbers")
        equal(rows, expected, given=given, why=why)
    vectors = drawn(2).normal(size=(9, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    likest = [int(row) for row in np.argsort(-(vectors @ vectors[4])) if row != 4][:3]
    given = "9 drawn vectors of width 4, i=4, count=3"
    equal(call(answer, vectors, 4, 3, given=given), likest, given=given)


def _said(turns: list[int]) -> list[Utterance]:
    speakers: tuple[Speaker, Speaker] = ("user", "system")
    firsts = np.cumsum([turn == 0 for turn in turns])
    return [
        Utterance(int(number), turn, 0.0, speakers[turn % 2], "", "", None)
        for number, turn in zip(firsts, turns, strict=True)
    ]


def with_history(answer: Any) -> None:
    rng = drawn(1)
    some = rng.normal(size=(5, 3))
    some /= np.linalg.norm(some, axis=1, keepdims=True)
    cases: list[tuple[np.ndarray, list[int], str, str]] = [
        (np.array([[1.0], [1.0]]), [0, 1], "vectors [[1], [1]], turns [0, 1]", "Scale each row to length 1"),
        (np.array([[1.0, 0.0], [0.0, 1.0]]), [0, 1], "vectors [[1, 0], [0, 1]], turns [0, 1]",
         "The utterance itself comes first, the one before it second"),
        (np.array([[1.0], [1.0]]), [0, 0], "vectors [[1], [1]], turns [0, 0]",
         "Turn 0 begins a dialogue: the row above belongs to another one"),
        (some, [0, 1, 2, 0, 1], "5 vectors of width 3, turns [0, 1, 2, 0, 1]", "Width 3 gives width 6"),
        (np.array([[0.0], [1.0]]), [0, 1], "vectors [[0], [1]], turns [0, 1]",
         "A row of zeros cannot be scaled: divide by 1 there, not by 0"),
    ]  # fmt: skip
    for vectors, turns, given, why in cases:
        kept = vectors.copy()
        with np.errstate(invalid="ignore", divide="ignore"):
            got = call(answer, vectors, turns, given=given)
        close(got, right_with_history(kept, _said(turns)), given=given, tolerance=1e-6, why=why)
        if not np.array_equal(kept, vectors):
            raise Wrong(f"for {given}: your function altered the vectors; work on a copy")


def assign(answer: Any) -> None:
    cases = [
        ([[0, 0], [9, 9]], [[1, 0], [8, 9]], "The nearest centre, not the farthest"),
        ([[1, 0], [1, 0.2]], [[0.9, 0], [5, 0]],
         "Centres differ in length, so the largest product is not the nearest; take distances"),
        ([[0, 0], [1, 1], [9, 9], [8, 8]], [[0, 1], [9, 8], [100, 100]],
         "One number per point; a centre may have no points"),
        ([[5, 0]], [[4, 0], [6, 0]], "Of equally near centres take the first"),
    ]  # fmt: skip
    for points, centres, why in cases:
        given = f"points={points}, centres={centres}"
        ours, theirs = np.array(points, dtype=float), np.array(centres, dtype=float)
        squares = [[float(((point - centre) ** 2).sum()) for centre in theirs] for point in ours]
        expected = np.array([row.index(min(row)) for row in squares])
        got = call(answer, ours, theirs, given=given)
        equal(got, expected, given=given, why=why)
    points_, centres_ = drawn(3).normal(size=(12, 3)), drawn(4).normal(size=(4, 3))
    nearest_ = [int(((centres_ - point) ** 2).sum(axis=1).argmin()) for point in points_]
    given = "12 drawn points and 4 drawn centres of width 3"
    equal(call(answer, points_, centres_, given=given), np.array(nearest_), given=given)


def update(answer: Any) -> None:
    cases = [
        ([[0, 0], [2, 4], [9, 9]], [0, 0, 1], [[0, 0], [0, 0]], [[1, 2], [9, 9]], "A centre is the mean of its points"),
        ([[1, 1], [3, 3]], [1, 1], [[7, 7], [0, 0]], [[7, 7], [2, 2]],
         "The mean of no points is not a number: a cluster without points keeps its centre"),
        ([[1, 1], [3, 3]], [0, 0], [[0, 0], [5, 5], [6, 6]], [[2, 2], [5, 5], [6, 6]],
         "The number of centres does not change"),
    ]  # fmt: skip
    for points, labels, centres, expected, why in cases:
        given = f"points={points}, labels={labels}, centres={centres}"
        theirs = np.array(centres, dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            got = call(answer, np.array(points, dtype=float), np.array(labels), theirs, given=given)
        close(got, expected, given=given, tolerance=1e-9, why=why)
        if not np.array_equal(theirs, np.array(centres, dtype=float)):
            raise Wrong(f"for {given}: your function changed `centres` itself; start with centres.copy()")


def typical(answer: Any) -> None:
    cases: list[tuple[dict[str, int], dict[str, int], int, list[str], str]] = [
        ({"the": 50, "train": 20}, {"the": 60, "hotel": 30}, 1, ["train"],
         "The most frequent word is not the most typical one: compare with outside"),
        ({"train": 20, "day": 9}, {"hotel": 30, "area": 8}, 2, ["train", "day"],
         "Words that are missing on one side are typical too; add 1 to their counts"),
        ({"a": 8, "b": 2}, {"a": 800, "b": 120, "c": 80}, 1, ["b"],
         "Divide by all words of the side: outside there may be a hundred times as many"),
        ({"x": 3, "b": 3, "a": 3}, {"z": 9}, 3, ["a", "b", "x"], "Equal scores stand in alphabetical order"),
        ({"a": 5}, {"z": 9, "y": 2}, 3, ["a", "y", "z"], "A word that is only outside scores low, but it has a score"),
    ]  # fmt: skip
    for inside, outside, count, expected, why in cases:
        given = f"inside={inside}, outside={outside}, count={count}"
        got = call(answer, Counter(inside), Counter(outside), count, given=given)
        equal(list(got) if isinstance(got, tuple) else got, expected, given=given, why=why)


def transitions(answer: Any) -> None:
    cases = [
        ([[0, 1, 1]], 2, "Rows are what comes before, columns what comes after; the last row is the start"),
        ([[0, 1], [2, 0]], 3, "Nothing follows across the border of two dialogues"),
        ([[0, 0, 0, 1]], 4, "The array has k + 1 rows and columns, also for clusters that never occur"),
        ([[1], [1], [0]], 2, "A dialogue of one utterance has a start and an end"),
        ([[0], []], 2, "A dialogue without utterances counts nothing, not even from start to end"),
        ([row.tolist() for row in drawn(5).integers(0, 4, (6, 5))], 4, ""),
    ]
    for walks, k, why in cases:
        given = f"walks={walks}, k={k}"
        got = call(answer, [list(walk) for walk in walks], k, given=given)
        flat = [label for walk in walks for label in walk]
        turns = [turn for walk in walks for turn in range(len(walk))]
        expected = right_transitions(_said(turns), np.array(flat), k).counts
        _trap(got, expected, given)
        equal(got, expected, given=given, why=why)


def _trap(got: Any, expected: np.ndarray, given: str) -> None:
    """Raise Wrong for the matrix of a known mistake: transposed, or start and end first."""
    rolled = np.roll(expected, 1, axis=(0, 1))
    for found, what in (
        (expected.T, "transposed: entry [a, b] is for b after a"),
        (rolled, "with start and end first; they are the last row and the last column"),
    ):
        if same(got, found) and not same(got, expected):
            raise Wrong(f"for {given}: got {found.tolist()}, expected {expected.tolist()}; yours is {what}")


def homogeneity(answer: Any) -> None:
    cases = [
        ([[3, 0], [0, 3]], "Each cluster holds one act", ""),
        ([[3, 3], [3, 3]], "Clusters independent of acts", "p(act | cluster) is p(act) here: homogeneity is 0"),
        ([[4, 0, 0], [0, 1, 3]], "An act may lie in several clusters without harm",
         "That is what completeness measures; here H(act | cluster) is divided by H(act)"),
        ([[8, 1], [2, 9]], "Two mixed clusters", "Weight each cluster by its size"),
        ([[90, 5], [0, 5]], "A large cluster and a small pure one",
         "Weight each cluster by its size, not all equally"),
        ([[4, 6]], "One act only", "H(act) is 0 then: do not divide by it"),
        (drawn(6).integers(1, 9, (3, 4)).tolist(), "A drawn table", ""),
    ]  # fmt: skip
    for table, name, why in cases:
        counts = np.array(table)
        expected = v_measure(counts)["homogeneity"] / 100
        given = f"table={table} ({name.lower()})"
        with np.errstate(invalid="ignore", divide="ignore"):
            got = call(answer, counts, given=given)
        if isinstance(got, float | np.floating) and np.isnan(got) and not counts.all():
            raise Wrong(f"for {given}: got nan; 0 log 0 counts as 0, so leave out the empty cells")
        close(got, expected, given=given, tolerance=1e-6, why=why)


CHECKS = {
    "22.1": Exercise("nearest neighbours", nearest, "vectors @ vectors[i] has all cosines; np.argsort is ascending."),
    "22.2": Exercise(
        "vectors with history",
        with_history,
        "Shift the array down by one row, put zeros where turn is 0, then np.hstack.",
    ),
    "22.3": Exercise("assign", assign, "points[:, None] - centres[None] has the shape (points, clusters, width)."),
    "22.4": Exercise("update", update, "points[labels == number] are the points of one cluster; there may be none."),
    "22.5": Exercise(
        "typical words",
        typical,
        "A Counter gives 0 for a word it does not have. sorted() keeps the order of equal ones.",
    ),
    "22.6": Exercise(
        "transitions with start and end",
        transitions,
        "Put k before and after each walk, then count pairs of neighbours.",
    ),
    "22.7": Exercise(
        "homogeneity", homogeneity, "Divide the table by its sum. Row sums are p(act), column sums are p(cluster)."
    ),
}
