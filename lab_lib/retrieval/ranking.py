"""What every retriever returns: for each query the places of the best texts, best first, and fusing several of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

NOWHERE = -1  # a place that no text fills: fewer were found than asked for


class Ranker(Protocol):
    """Ranks a list of texts for queries."""

    def rank(self, queries: Sequence[str], k: int) -> np.ndarray:
        """Return places (queries, k) of texts, best first, NOWHERE behind the last that was found."""


def padded(places: Sequence[Sequence[int]], k: int) -> np.ndarray:
    """Return lists of places as one table.

    >>> padded([[2, 0], []], 3)
    array([[ 2,  0, -1],
           [-1, -1, -1]])
    """
    table = np.full((len(places), k), NOWHERE, dtype=np.int64)
    for row, found in zip(table, places, strict=True):
        row[: min(k, len(found))] = found[:k]
    return table


def fuse(rankings: Sequence[np.ndarray], k: int, constant: int) -> np.ndarray:
    """Return the reciprocal rank fusion of several rankings of the same texts for the same queries.

    A text's score is the sum of 1 / (constant + rank), ranks counted from 1; of equal scores the first ranking decides.

    >>> fuse([np.array([[0, 1, 2]]), np.array([[2, 0, -1]])], k=3, constant=60)
    array([[0, 2, 1]])
    """
    fused = []
    for rows in zip(*rankings, strict=True):
        scores: dict[int, float] = {}
        for row in rows:
            for rank, place in enumerate(row, 1):
                if place != NOWHERE:
                    scores[int(place)] = scores.get(int(place), 0.0) + 1 / (constant + rank)
        order = {place: number for number, place in enumerate(scores)}
        fused.append(sorted(scores, key=lambda place: (-scores[place], order[place])))  # used at once
    return padded(fused, k)


def without(ranking: np.ndarray, own: Sequence[int] | np.ndarray, k: int) -> np.ndarray:
    """Return k places of each row with one place of its own left out: an item is no neighbour of itself.

    >>> without(np.array([[4, 1, 2], [3, 0, 1]]), [1, -1], 2)
    array([[4, 2],
           [3, 0]])
    """
    kept = [[place for place in row if place not in (mine, NOWHERE)] for row, mine in zip(ranking, own, strict=True)]
    return padded(kept, k)
