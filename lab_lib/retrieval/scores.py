"""Similarity scores of retrieved texts: cosines if vectors or tf-idf are compared, BM25 scores otherwise.

The cosine is that of the words only: the bonus of an open function (`same_frame`) orders exemplars but is not part of
the score. For fused ranks the cosine is given too, because it can be compared with a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lab_lib.exemplars.schema_functions import Document
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.retrieval.ranking import NOWHERE, without
from lab_lib.retrieval.retriever import Query, Retriever

SAMPLE = 1000  # exemplars from which the usual likeness is taken
SELDOM = 0.05  # share of exemplars that are less like their nearest one than the threshold


@dataclass(frozen=True)
class ScoredExemplar:
    """An exemplar that was found, its place in the index, and how like the query it is."""

    exemplar: AnnotatedExemplar
    place: int
    score: float


@dataclass(frozen=True)
class ScoredDocument:
    """A description that was found, and how like the query it is."""

    document: Document
    score: float


def scored_exemplars(retriever: Retriever, query: Query, k: int) -> list[ScoredExemplar]:
    """Return the k exemplars most like a query, best first; one that says the query itself is among them."""
    if not retriever.exemplars or k < 1:
        return []
    (row,), same = retriever.every_place([query], k), retriever.same_words(query)
    found = dict.fromkeys([same, *row.tolist()])  # what says the same comes first, whatever ranks the others
    places = np.array([place for place in found if place != NOWHERE][:k], dtype=np.int64)
    scores = _exemplar_scores(retriever, query, places)
    return [ScoredExemplar(retriever.exemplars[p], int(p), float(s)) for p, s in zip(places, scores, strict=True)]


def scored_documents(retriever: Retriever, query: Query, k: int) -> list[ScoredDocument]:
    """Return the best description of each of the k functions most like a query, best first."""
    if not retriever.documents or k < 1:
        return []
    every = np.arange(len(retriever.documents))
    if retriever.config.descriptions == "tfidf":
        scores = retriever.described_tfidf.scores(query.utterance, every)
    else:
        scores = retriever.described.at(every) @ retriever.encoder.queries([query.utterance])[0]
    best: dict[str, ScoredDocument] = {}
    for place in np.argsort(-scores, kind="stable"):
        if retriever.config.descriptions == "embedding" or scores[place] > 0:
            document = retriever.documents[place]
            best.setdefault(document.function, ScoredDocument(document, float(scores[place])))
    return list(best.values())[:k]


def usual_likeness(retriever: Retriever) -> float:
    """Return the score that 95 % of the exemplars reach with the one most like each: a query below it is like nothing.

    0 where words are counted (BM25 has no scale), and for fewer than two exemplars.
    """
    count = len(retriever.exemplars)
    if retriever.config.exemplars == "keyword" or count < 2:
        return 0.0
    places = np.sort(np.random.default_rng(0).permutation(count)[:SAMPLE])
    if retriever.config.exemplars == "tfidf":
        return float(np.quantile(retriever.tfidf.nearest_others(places), SELDOM))
    vectors = retriever.vectors.at(places)
    others = without(retriever.vectors.rank_vectors(vectors, 2), places, 1)[:, 0]
    width = retriever.encoder.width
    return float(np.quantile((vectors * retriever.vectors.at(others))[:, :width].sum(axis=1), SELDOM))


def _exemplar_scores(retriever: Retriever, query: Query, places: np.ndarray) -> np.ndarray:
    method = retriever.config.exemplars
    if method == "keyword":
        return retriever.keyword.scores(query.utterance, places)
    if method == "tfidf":
        return retriever.tfidf.scores(query.utterance, places)
    asked = retriever.encoder.symmetric([query.utterance])[0]
    return retriever.vectors.at(places)[:, : len(asked)] @ asked
