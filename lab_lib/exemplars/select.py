"""Select exemplars: no repeated utterances, and at most a number per function, drawn with a seed."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence

from lab_lib.corpora.types import Dropped
from lab_lib.exemplars.types import AnnotatedExemplar

REPEAT = "utterance: a repeat with the same function"
CLASH = "utterance: a repeat with another function"


def words_of(utterance: str) -> str:
    """Return the form in which utterances are compared: without case, white space and final punctuation.

    >>> words_of(" Book  a table! ")
    'book a table'
    """
    return " ".join(utterance.casefold().split()).rstrip(".!?, ")


def distinct(exemplars: Iterable[AnnotatedExemplar]) -> tuple[list[AnnotatedExemplar], list[Dropped]]:
    """Return (first exemplar of each utterance, the others as dropped with a reason)."""
    first: dict[str, AnnotatedExemplar] = {}
    dropped = []
    for one in exemplars:
        before = first.setdefault(words_of(one.utterance), one)
        if before is not one:
            dropped.append(Dropped(one.key, REPEAT if before.target_name == one.target_name else CLASH))
    return list(first.values()), dropped


def at_most(exemplars: Sequence[AnnotatedExemplar], most: int, seed: int) -> list[AnnotatedExemplar]:
    """Return at most `most` exemplars per function, drawn with a seed, in their original order."""
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
    """Return the exemplars whose utterance is not among `known`: a copy would be its own nearest neighbour."""
    taken = {words_of(one.utterance) for one in known}
    return [one for one in exemplars if words_of(one.utterance) not in taken]


def agreement(exemplars: Iterable[AnnotatedExemplar]) -> tuple[int, int]:
    """Return (number of repeated utterances with equal labels, number of repeated utterances).

    No retriever and no model can predict two different labels from the same words.
    """
    labels: dict[str, list[str]] = defaultdict(list)
    for one in exemplars:
        labels[words_of(one.utterance)].append(one.target_name)
    repeated = [names for names in labels.values() if len(names) > 1]
    return sum(len(set(names)) == 1 for names in repeated), len(repeated)
