"""Ranking by the cosine of unit vectors: one matrix product, or a graph of neighbours (usearch) for very many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.errors import LabError
from lab_lib.files import atomic_open, reading
from lab_lib.retrieval.ranking import padded

MANY = 20_000  # vectors from which on a graph is searched: a product with them costs 4 ms a query
DTYPE = "f16"  # of the vectors in a graph: of 100,000, 99 % of the nearest 16 are found, at half the memory
BLOCK = 1024  # queries whose products are in memory at once
NAMES = ("vectors.npy", "vectors.usearch")


class VectorRanker:
    """Ranks unit vectors (texts, width) by their cosine with queries, which are unit vectors too."""

    def __init__(self, vectors: np.ndarray | None, graph: Any = None) -> None:
        self.vectors, self.graph = vectors, graph

    @classmethod
    def of(cls, vectors: np.ndarray) -> VectorRanker:
        """Index vectors: up to MANY are searched exactly, more by a graph."""
        if len(vectors) <= MANY:
            return cls(vectors.astype(np.float32))
        graph = _usearch().Index(ndim=vectors.shape[1], metric="ip", dtype=DTYPE)
        graph.add(np.arange(len(vectors)), vectors)
        return cls(None, graph)

    def save(self, folder: Path) -> None:
        """Write the vectors, or the graph that holds them, into a folder."""
        if self.graph is not None:
            self.graph.save(str(folder / NAMES[1]))
            return
        with atomic_open(folder / NAMES[0], "wb") as stream:
            np.save(stream, np.asarray(self.vectors), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> VectorRanker:
        """Open what was saved, without reading all of it. Raises LabError for a damaged file."""
        if (folder / NAMES[1]).exists():
            graph = _usearch().Index.restore(str(folder / NAMES[1]), view=True)
            if graph is None:
                raise LabError(f"{folder / NAMES[1]}: no graph of vectors")
            return cls(None, graph)
        with reading(folder / NAMES[0], "a table of vectors"):
            return cls(np.load(folder / NAMES[0], mmap_mode="r", allow_pickle=False))

    def rank_vectors(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Return the places of the nearest vectors for each query vector."""
        if self.vectors is None:
            found = self.graph.search(queries, k)
            if len(queries) == 1:  # one row comes back as a list of matches, not as a table
                return padded([found.keys.astype(np.int64)], k)
            return padded([row[:n].astype(np.int64) for row, n in zip(found.keys, found.counts, strict=True)], k)
        rows: list[Sequence[int]] = []
        for start in range(0, len(queries), BLOCK):
            cosines = queries[start : start + BLOCK] @ self.vectors.T
            rows += list(_nearest(cosines, min(k, len(self.vectors))))
        return padded(rows, k)

    def at(self, places: np.ndarray) -> np.ndarray:
        """Return the vectors (places, width) of some texts, as they are stored."""
        found = self.graph.get(places) if self.vectors is None else self.vectors[places]
        return np.asarray(found, dtype=np.float32)

    def __len__(self) -> int:
        """Return how many vectors there are."""
        return len(self.graph) if self.vectors is None else len(self.vectors)


def _nearest(cosines: np.ndarray, k: int) -> np.ndarray:
    """Return the places of the k highest cosines of each row, in order."""
    some = np.argpartition(-cosines, k - 1, axis=1)[:, :k] if k < cosines.shape[1] else None
    if some is None:
        return np.argsort(-cosines, axis=1, kind="stable")
    order = np.argsort(-np.take_along_axis(cosines, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def _usearch() -> Any:
    try:
        from usearch import index
    except ImportError:
        raise LabError(f"more than {MANY:,} vectors need the package usearch: pip install -e '.[retrieval]'") from None
    return index
