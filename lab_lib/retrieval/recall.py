"""Recall of the right function among the retrieved texts, for both k, without the item itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lab_lib.errors import LabError
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.retrieval.ranking import NOWHERE
from lab_lib.retrieval.retriever import Query, Retriever

NORMAL = 1.959964  # standard deviations on each side of an interval of 95 %


@dataclass(frozen=True)
class Retrieved:
    """What was retrieved for some labelled utterances; functions are places in `names`, NOWHERE where there is none.

    `gold` (queries,): what is meant; `described` (queries, k): functions by description, each once; `places` and
    `owners` (queries, k): exemplars and the functions that they mean.
    """

    names: tuple[str, ...]
    gold: np.ndarray
    described: np.ndarray
    places: np.ndarray
    owners: np.ndarray


def retrieve(
    retriever: Retriever, queries: Sequence[AnnotatedExemplar], most_described: int, most_exemplars: int
) -> Retrieved:
    """Retrieve for labelled utterances. Raises LabError for none, and for a function that the index does not have."""
    if not queries:
        raise LabError("recall: no utterance to retrieve for")
    ids = {name: place for place, name in enumerate(retriever.names)}
    for one in queries:
        if one.target_name not in ids:
            raise LabError(f"{one.key}: the index has neither a description nor an exemplar of '{one.target_name}'")
    asked = [Query.of(one) for one in queries]
    places = retriever.places(asked, most_exemplars)
    owners = np.where(places == NOWHERE, NOWHERE, retriever.owner_ids[places] if len(retriever.owner_ids) else NOWHERE)
    gold = np.array([ids[one.target_name] for one in queries])
    return Retrieved(retriever.names, gold, retriever.functions(asked, most_described), places, owners)


def recall_at(ranked: np.ndarray, gold: np.ndarray, k: int) -> float:
    """Return the share of queries whose gold function is among the first k.

    >>> recall_at(np.array([[3, 1], [2, 0]]), np.array([1, 2]), k=1)
    0.5
    """
    return float(np.mean((ranked[:, :k] == gold[:, None]).any(axis=1)))


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927), which does not collapse where nothing is missed.

    >>> tuple(round(bound, 4) for bound in wilson(100, 100))
    (0.963, 1.0)
    """
    share, square = hits / total, NORMAL**2
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = NORMAL / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class Point:
    """One choice of both k: recall, its interval, and what it costs on average: functions on offer, prompt tokens."""

    descriptions: int
    exemplars: int
    recall: float
    low: float
    high: float
    candidates: float
    tokens: float


@dataclass(frozen=True)
class Costs:
    """Tokens that each function's description and each exemplar take in a prompt."""

    functions: np.ndarray
    exemplars: np.ndarray

    @classmethod
    def of(cls, functions: Sequence[str], exemplars: Sequence[str], count: Callable[[str], int]) -> Costs:
        """Count the tokens of texts as they stand in prompts."""
        return cls(np.array([count(text) for text in functions]), np.array([count(text) for text in exemplars]))


def grid(found: Retrieved, costs: Costs, described: Sequence[int], exemplars: Sequence[int]) -> list[Point]:
    """Return a point for every pair of both k: the functions on offer are those described and those of exemplars.

    A function that is on offer is described in the prompt, whichever way it came there.
    """
    by_description = [_members(found.described[:, :k], len(found.names)) for k in described]
    lines = np.concatenate([costs.exemplars, [0]])[found.places]  # NOWHERE is the last place: no tokens
    points = []
    for k_exemplars in exemplars:
        by_exemplar = _members(found.owners[:, :k_exemplars], len(found.names))
        shown = lines[:, :k_exemplars].sum(axis=1)
        for k_described, members in zip(described, by_description, strict=True):
            offered = members | by_exemplar
            hits = int(offered[np.arange(len(offered)), found.gold].sum())
            tokens = offered @ costs.functions + shown
            points.append(
                Point(
                    k_described,
                    k_exemplars,
                    hits / len(offered),
                    *wilson(hits, len(offered)),
                    candidates=float(offered.sum(axis=1).mean()),
                    tokens=float(tokens.mean()),
                )
            )
    return points


def cheapest(points: Sequence[Point], wanted: float) -> Point:
    """Return the point with the fewest tokens whose recall reaches the wanted one with the lower end of its interval.

    Raises LabError where none does, with the best there is.
    """
    enough = [point for point in points if point.low >= wanted]
    if not enough:
        best = max(points, key=lambda point: (point.low, -point.tokens))
        raise LabError(
            f"no k reaches a recall of {wanted:.3f}: {best.descriptions} descriptions and {best.exemplars} exemplars "
            f"reach {best.recall:.4f}, at least {best.low:.4f}"
        )
    return min(enough, key=lambda point: (point.tokens, point.candidates))


def require_recall(found: Retrieved, descriptions: int, exemplars: int, wanted: float, split: str) -> float:
    """Return the recall of prompts with these k. Raises LabError when it is below `wanted`.

    A prompt without the right function cannot be answered: a model that learns from many such learns to guess.
    """
    costs = Costs.of([""] * len(found.names), [""] * (int(found.places.max(initial=0)) + 1), len)
    (point,) = grid(found, costs, [descriptions], [exemplars])
    if point.recall < wanted:
        raise LabError(
            f"{split}: the right function is in {100 * point.recall:.2f} % of the prompts with {descriptions} "
            f"descriptions and {exemplars} exemplars, expected {100 * wanted:.2f} %; run `lab understand find-k`"
        )
    return point.recall


def _members(rows: np.ndarray, size: int) -> np.ndarray:
    """Return (queries, functions): is a function among those of a row?"""
    table = np.zeros((len(rows), size + 1), dtype=bool)  # the last column takes NOWHERE
    table[np.arange(len(rows))[:, None], rows] = True
    return table[:, :size]
