"""Transitions from cluster to cluster, including the start and the end of dialogues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab_lib.structure.utterances import Utterance


@dataclass(frozen=True)
class Transitions:
    """How often one cluster follows another: `counts` (clusters + 1, clusters + 1).

    The last row is the start of a dialogue, the last column its end; no transition goes from the start to the end.
    """

    counts: np.ndarray

    @property
    def clusters(self) -> int:
        """The number of clusters, which is also the index of the start row and of the end column."""
        return len(self.counts) - 1

    @property
    def shares(self) -> np.ndarray:
        """Each row as fractions that sum to 1: what follows a cluster (or the start). A row without counts is zero."""
        sums = self.counts.sum(axis=1, keepdims=True)
        return self.counts / np.where(sums == 0, 1, sums)

    def arcs(self, smallest: float) -> list[tuple[int, int, float]]:
        """Return (from, to, share) of the transitions with at least the share `smallest`.

        The most frequent transition out of each cluster to another, and into it from another, is always included, so
        that every cluster appears connected.
        """
        shares, places = self.shares, np.arange(len(self.counts))
        others = self.counts.copy()
        np.fill_diagonal(others[: self.clusters, : self.clusters], -1)
        keep = shares >= smallest
        keep[places, others.argmax(axis=1)] = True
        keep[others.argmax(axis=0), places] = True
        return [(int(a), int(b), float(shares[a, b])) for a, b in np.argwhere(keep & (shares > 0))]


def transitions(said: Sequence[Utterance], labels: np.ndarray, clusters: int) -> Transitions:
    """Count the transitions within dialogues; `said` holds whole dialogues, in order."""
    counts = np.zeros((clusters + 1, clusters + 1), dtype=int)
    before = clusters
    for number, (utterance, label) in enumerate(zip(said, labels, strict=True)):
        counts[before if utterance.turn else clusters, label] += 1
        before = label
        if number + 1 == len(said) or said[number + 1].turn == 0:
            counts[label, clusters] += 1
    return Transitions(counts)
