"""`lab understand rows`: function accuracy without a generator, and AUROC of similarity as a detector of `none`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lab_lib.exemplars.corpus import ExemplarCorpus
from lab_lib.exemplars.negatives import nones_by_kind
from lab_lib.exemplars.select import distinct, without_words_of
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.retrieval.choosers import auroc, described_functions, head_functions, likeness, nearest_functions
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.recall import wilson
from lab_lib.retrieval.retriever import Query, Retriever
from lab_lib.understand.data import Asked, IndexConfig, unseen_queries

NEIGHBOURS = 11  # voters in the row of nearest neighbours
MOST_NONES = 1000  # utterances per kind of none, at most


@dataclass(frozen=True)
class Share:
    """The number of correct utterances and the total."""

    hits: int
    total: int

    @property
    def text(self) -> str:
        """The percentage with its 95 % interval (Wilson).

        >>> Share(9, 10).text
        '90.0 (59.6 to 98.2)'
        """
        low, high = wilson(self.hits, self.total)
        return f"{100 * self.hits / self.total:.1f} ({100 * low:.1f} to {100 * high:.1f})"


@dataclass(frozen=True)
class Rows:
    """{row: share correct} for known and for unseen functions, {kind of none: AUROC of the similarity}."""

    known: Mapping[str, Share]
    unseen: Mapping[str, Share]
    none: Mapping[str, float]


def rows(corpus: ExemplarCorpus, asked: Asked, config: IndexConfig, encoder: Encoder | None = None) -> Rows:
    """Predict a function for every query by each method, and compare similarities of requests and of `none`."""
    retriever = Retriever(asked.documents, asked.exemplars, config.retrieval, encoder)
    queries = [Query.of(one) for one in asked.queries]
    chosen = {
        "nearest exemplar": nearest_functions(retriever, queries, 1),
        f"{NEIGHBOURS} nearest exemplars": nearest_functions(retriever, queries, NEIGHBOURS),
        "best description": described_functions(retriever, queries),
    }
    away = unseen_queries(corpus, config)
    none: dict[str, float] = {}
    if config.retrieval.needs_model:
        chosen["logistic head"] = head_functions(retriever.encoder, asked.exemplars, queries, config.seed)
        none = _none(retriever, asked, corpus, config, away)
    unseen = {"best description": described_functions(retriever, [Query.of(one) for one in away])} if away else {}
    return Rows(_shares(chosen, asked.queries), _shares(unseen, away), none)


def _none(
    retriever: Retriever, asked: Asked, corpus: ExemplarCorpus, config: IndexConfig, away: Sequence[AnnotatedExemplar]
) -> dict[str, float]:
    """Return {kind of none: AUROC} of the cosine to the nearest exemplar."""
    nones = without_words_of(distinct(corpus.part(config.queries).nones)[0], asked.exemplars)
    asking = likeness(retriever.encoder, asked.exemplars, [Query.of(one) for one in asked.queries])
    found = {}
    for kind, own in nones_by_kind(nones, away, MOST_NONES, config.seed).items():
        if own:
            other = likeness(retriever.encoder, asked.exemplars, [Query.of(one) for one in own])
            found[kind] = auroc(np.asarray(asking), np.asarray(other))
    return found


def _shares(chosen: Mapping[str, Sequence[str]], queries: Sequence[AnnotatedExemplar]) -> dict[str, Share]:
    gold = [one.target_name for one in queries]
    return {row: Share(sum(map(str.__eq__, names, gold)), len(gold)) for row, names in chosen.items()}


def lines(found: Rows) -> list[str]:
    """Return the results as lines of text."""
    known = [f"known functions, {row}: {share.text} %" for row, share in found.known.items()]
    unseen = [f"functions without an exemplar, {row}: {share.text} %" for row, share in found.unseen.items()]
    none = [
        f"none ({kind}) against requests, AUROC of the nearest cosine: {area:.3f}" for kind, area in found.none.items()
    ]
    return [*known, *unseen, *none]
