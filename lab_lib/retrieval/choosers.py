"""Choose a function without a generator: the baselines that a generator must beat."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from lab_lib.errors import LabError
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.ranking import NOWHERE
from lab_lib.retrieval.retriever import Query, Retriever


def nearest_functions(retriever: Retriever, queries: Sequence[Query], k: int) -> list[str]:
    """Return for each query the function that most of its k nearest exemplars mean, near ones counting more.

    An exemplar of rank r counts 1 / r. Where nothing is found it is "".
    """
    chosen = []
    for row in retriever.places(queries, k):
        votes: dict[str, float] = defaultdict(float)
        for rank, place in enumerate(row[row != NOWHERE], 1):
            votes[retriever.exemplars[place].target_name] += 1 / rank
        chosen.append(max(votes, key=lambda name: votes[name], default=""))
    return chosen


def described_functions(retriever: Retriever, queries: Sequence[Query]) -> list[str]:
    """Return for each query the function whose description is nearest; no exemplar is needed."""
    found = retriever.functions(queries, 1)[:, 0]
    return ["" if place == NOWHERE else retriever.names[place] for place in found]


def head_functions(
    encoder: Encoder, exemplars: Sequence[AnnotatedExemplar], queries: Sequence[Query], seed: int
) -> list[str]:
    """Return for each query the function by a logistic regression on the exemplars' vectors; it knows no other
    functions."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise LabError("a logistic head needs the package scikit-learn: pip install -e '.[retrieval]'") from None
    head = LogisticRegression(C=30.0, max_iter=1000, random_state=seed)  # C: vectors of length 1 need large weights
    head.fit(encoder.symmetric([one.utterance for one in exemplars]), [one.target_name for one in exemplars])
    return [str(name) for name in head.predict(encoder.symmetric([query.utterance for query in queries]))]


def likeness(encoder: Encoder, exemplars: Sequence[AnnotatedExemplar], queries: Sequence[Query]) -> np.ndarray:
    """Return the cosine (queries,) with the nearest exemplar: low ones may ask for nothing that is known."""
    known = encoder.symmetric([one.utterance for one in exemplars])
    return (encoder.symmetric([query.utterance for query in queries]) @ known.T).max(axis=1)


def auroc(asking: np.ndarray, other: np.ndarray) -> float:
    """Return how often one that asks scores above one that does not, ties counting half: the area under the ROC curve.

    >>> auroc(np.array([0.9, 0.4]), np.array([0.4, 0.1]))
    0.875
    """
    if not len(asking) or not len(other):
        raise LabError("AUROC: expected at least one utterance of each side")
    order = np.sort(other)
    below, until = np.searchsorted(order, asking, side="left"), np.searchsorted(order, asking, side="right")
    return float(np.mean((below + until) / (2 * len(other))))
