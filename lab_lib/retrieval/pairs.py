"""Training data of an embedding model: utterances with a text of the same function, in batches with each function once.

All exemplars of a function are positives of each other, so a batch with two texts of a function would wrongly separate
them. A batch therefore has each function once, including the functions of hard negatives.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lab_lib.exemplars.schema_functions import Document
from lab_lib.exemplars.select import words_of
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.retrieval.ranking import NOWHERE


@dataclass(frozen=True)
class Triple:
    """An utterance, a text of the same function, and one of another function that a retriever takes for it.

    `negative` is "" where there is none; `functions` are those of the three texts, each once.
    """

    anchor: str
    positive: str
    negative: str
    functions: tuple[str, ...]


def triples(
    exemplars: Sequence[AnnotatedExemplar],
    documents: Sequence[Document],
    described: float,
    seed: int,
    neighbours: np.ndarray | None = None,
) -> list[Triple]:
    """Return a triple for each exemplar; the positive is a description in a share of `described` of them.

    `neighbours` (exemplars, k) are places of the exemplars that a retriever finds for each, for hard negatives. The
    positive never has the utterance's own words. A function with one exemplar and no description has no triple.
    """
    by_function: dict[str, list[AnnotatedExemplar]] = defaultdict(list)
    for one in exemplars:
        by_function[one.target_name].append(one)
    texts: dict[str, list[str]] = defaultdict(list)
    for document in documents:
        texts[document.function].append(document.text)
    found = []
    for place, one in enumerate(exemplars):
        rng = random.Random(f"{seed} {one.key}")
        positive = _positive(one, by_function[one.target_name], texts[one.target_name], described, rng)
        hard = _negative(one, exemplars, neighbours[place], rng) if neighbours is not None else None
        if positive:
            functions = (one.target_name, *([hard.target_name] if hard else []))
            found.append(Triple(one.utterance, positive, hard.utterance if hard else "", functions))
    return found


def _positive(
    one: AnnotatedExemplar, own: Sequence[AnnotatedExemplar], texts: Sequence[str], described: float, rng: random.Random
) -> str:
    """Return a text of the exemplar's function, never its own words; "" where there is none."""
    if texts and (rng.random() < described or len(own) < 2):
        return rng.choice(list(texts))
    for other in rng.sample(own, min(len(own), 10)):
        if words_of(other.utterance) != words_of(one.utterance):
            return other.utterance
    return rng.choice(list(texts)) if texts else ""


def _negative(
    one: AnnotatedExemplar, exemplars: Sequence[AnnotatedExemplar], row: np.ndarray, rng: random.Random
) -> AnnotatedExemplar | None:
    """Return one of the exemplars that are found for an utterance and mean another function."""
    wrong = [exemplars[place] for place in row if place != NOWHERE]
    wrong = [other for other in wrong if other.target_name != one.target_name]
    return rng.choice(wrong) if wrong else None


def one_function_once(rows: Sequence[Sequence[str]], size: int, seed: int) -> Iterator[list[int]]:
    """Yield batches of places of `rows`, the functions of each triple, so that no batch has a function twice.

    Rows that meet a taken function wait for the next batch. Batches at the end are smaller, and rows that are left
    alone, with nothing to be told from, are in none.

    >>> [len(batch) for batch in one_function_once([("a",), ("b",), ("a",), ("c",)], size=3, seed=0)]
    [3]
    """
    waiting = list(range(len(rows)))
    random.Random(seed).shuffle(waiting)
    while waiting:
        taken, batch, rest = set[str](), list[int](), list[int]()
        for number, place in enumerate(waiting):
            if len(batch) == size:
                rest += waiting[number:]
                break
            if taken.isdisjoint(rows[place]):
                taken |= set(rows[place])
                batch.append(place)
            else:
                rest.append(place)
        if len(batch) > 1:
            yield batch
        waiting = rest
