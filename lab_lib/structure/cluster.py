"""K-means on unit vectors, and the utterances nearest to each centre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab_lib.errors import LabError
from lab_lib.structure.utterances import Utterance


@dataclass(frozen=True)
class Clustering:
    """The cluster of each utterance: `labels` (utterances,), integers from 0; `centres` (clusters, width).

    Clusters are numbered by the mean position of their utterances in a dialogue, so that number 1 opens dialogues in
    every run, and runs can be compared by eye.
    """

    labels: np.ndarray
    centres: np.ndarray


def with_history(vectors: np.ndarray, said: Sequence[Utterance], weight: float = 1.0) -> np.ndarray:
    """Return each utterance's vector, concatenated with `weight` x that of the previous utterance, of length 1.

    The width doubles. The first utterance of a dialogue has zeros in the second half.
    """
    before = np.zeros_like(vectors)
    follows = np.array([utterance.turn > 0 for utterance in said])
    before[follows] = vectors[np.flatnonzero(follows) - 1]
    return unit(np.hstack([vectors, weight * before]))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return the rows scaled to length 1; a row of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def kmeans(vectors: np.ndarray, clusters: int, starts: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (labels, centres) of the best of `starts` runs of k-means; rows of `vectors` have length 1.

    On unit vectors the squared distance is 2 - 2 cos, so near means similar. Raises LabError if there are fewer
    distinct vectors than clusters.
    """
    from sklearn.cluster import KMeans

    different = len(np.unique(vectors, axis=0))
    if different < clusters:
        raise LabError(f"{different} different utterances cannot make {clusters} clusters; lower --k")
    found = KMeans(clusters, n_init=starts, random_state=seed).fit(vectors)
    return found.labels_.astype(int), found.cluster_centers_


def cluster(vectors: np.ndarray, said: Sequence[Utterance], clusters: int, starts: int, seed: int) -> Clustering:
    """Return a k-means clustering of the vectors, with clusters numbered by their mean position in the dialogue."""
    labels, centres = kmeans(vectors, clusters, starts, seed)
    place = np.array([utterance.place for utterance in said])
    middle = np.array([place[labels == number].mean() for number in range(clusters)])
    order = np.argsort(middle, kind="stable")
    rank = np.empty(clusters, dtype=int)
    rank[order] = np.arange(clusters)
    return Clustering(rank[labels], centres[order])


def nearest_utterances(
    vectors: np.ndarray, found: Clustering, said: Sequence[Utterance], count: int
) -> list[list[int]]:
    """Return per cluster the indices of the utterances nearest to its centre, nearest first, no text twice."""
    nearest = []
    for number, centre in enumerate(found.centres):
        inside = np.flatnonzero(found.labels == number)
        distance = np.linalg.norm(vectors[inside] - centre, axis=1)
        texts: dict[str, int] = {}
        for place in inside[np.argsort(distance, kind="stable")]:
            texts.setdefault(said[place].text.lower(), int(place))
        nearest.append(list(texts.values())[:count])
    return nearest
