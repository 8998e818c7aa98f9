"""Which exemplars are kept: no utterance twice, at most some of each function, drawn with a seed."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence

from lab_lib.corpora.types import Dropped
from lab_lib.exemplars.types import AnnotatedExemplar

REPEAT = "utterance: it is there before, for the same function"
CLASH = "utterance: it is there before, for another function"


def words_of(utterance: str) -> str:
    """Return what two copies of an utterance share: case, white space and the marks at its end do not count.

    >>> words_of(" Book  a table! ")
    'book a table'
    """
    return " ".join(utterance.casefold().split()).rstrip(".!?, ")


def distinct(exemplars: Iterable[AnnotatedExemplar]) -> tuple[list[AnnotatedExemplar], list[Dropped]]:
    """Return the first exemplar of each utterance, and the others with their reason."""
    first: dict[str, AnnotatedExemplar] = {}
    dropped = []
    for one in exemplars:
        before = first.setdefault(words_of(one.utterance), one)
        if before is not one:
            dropped.append(Dropped(one.key, REPEAT if before.target_name == one.target_name else CLASH))
    return list(first.values()), dropped


def at_most(exemplars: Sequence[AnnotatedExemplar], most: int, seed: int) -> list[AnnotatedExemplar]:
    """Return at most so many exemplars of each function, drawn with a seed, in the order in which they stood."""
    by_function: dict[str, list[AnnotatedExemplar]] = defaultdict(list)
    for one in exemplars:
        by_function[one.target_name].append(one)
    kept = set()
    for name, own in by_function.items():
        drawn = random.Random(f"{seed} {name}").sample(own, min(most, len(own)))
        kept |= {one.key for one in drawn}
    return [one for one in exemplars if one.key in kept]


def without_words_of(
    exemplars: Iterable[AnnotatedExemplar], known: Iterable[AnnotatedExemplar]
) -> list[AnnotatedExemplar]:
    """Return the exemplars whose utterance is not also among `known`: a copy would be its own neighbour."""
    taken = {words_of(one.utterance) for one in known}
    return [one for one in exemplars if words_of(one.utterance) not in taken]


def agreement(exemplars: Iterable[AnnotatedExemplar]) -> tuple[int, int]:
    """Return (utterances that are there several times with equal labels always, those of which all are so).

    What is said in the same words and labelled differently no retriever and no model can get right by the words.
    """
    labels: dict[str, list[str]] = defaultdict(list)
    for one in exemplars:
        labels[words_of(one.utterance)].append(one.target_name)
    repeated = [names for names in labels.values() if len(names) > 1]
    return sum(len(set(names)) == 1 for names in repeated), len(repeated)
