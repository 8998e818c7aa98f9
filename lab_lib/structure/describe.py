"""Describe each cluster in plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab_lib.structure.cluster import Clustering, nearest_utterances
from lab_lib.structure.config import StructureConfig
from lab_lib.structure.utterances import Utterance
from lab_lib.structure.words import representative_words


@dataclass(frozen=True)
class Card:
    """One cluster: its number from 1, its size, and what its utterances have in common.

    `share` (of all utterances) and `system` (the share said by the system) are between 0 and 1; `place` is the mean
    position in a dialogue (0 first turn, 1 last). `acts` holds (gold act, share among the annotated utterances) of the
    three most frequent acts.
    """

    number: int
    size: int
    share: float
    system: float
    place: float
    words: tuple[str, ...]
    examples: tuple[str, ...]
    acts: tuple[tuple[str, float], ...]

    @property
    def speaker(self) -> str:
        """The speaker: `user` or `system` if 90 % of the utterances or more are theirs, else `both`."""
        return "system" if self.system >= 0.9 else "user" if self.system <= 0.1 else "both"


def describe(said: Sequence[Utterance], vectors: np.ndarray, found: Clustering, config: StructureConfig) -> list[Card]:
    """Return one card per cluster, in order."""
    words = representative_words(said, found.labels, config.words)
    examples = nearest_utterances(vectors, found, said, config.examples)
    cards = []
    for number in range(len(found.centres)):
        inside = [utterance for utterance, label in zip(said, found.labels, strict=True) if label == number]
        cards.append(
            Card(
                number + 1,
                len(inside),
                len(inside) / len(said),
                float(np.mean([utterance.speaker == "system" for utterance in inside])),
                float(np.mean([utterance.place for utterance in inside])),
                tuple(words[number]),
                tuple(said[place].text for place in examples[number]),
                commonest_acts(inside, 3),
            )
        )
    return cards


def commonest_acts(said: Sequence[Utterance], count: int) -> tuple[tuple[str, float], ...]:
    """Return (gold act, share among the annotated utterances), most frequent first."""
    acts = Counter(utterance.act for utterance in said if utterance.act is not None)
    total = sum(acts.values())
    return tuple((act, n / total) for act, n in sorted(acts.items(), key=lambda pair: (-pair[1], pair[0]))[:count])


def act_shares(said: Sequence[Utterance], found: Clustering, most: int = 20) -> tuple[list[str], np.ndarray]:
    """Return (acts, shares): the share of each act among each cluster's annotated utterances, (acts, clusters).

    The rows are the `most` frequent acts in the order of their clusters; if there are more, the last row is `other
    acts`.
    """
    counts = Counter(utterance.act for utterance in said if utterance.act is not None)
    acts = sorted(counts, key=lambda act: (-counts[act], act))[:most]
    row = {act: number for number, act in enumerate(acts)}
    table = np.zeros((len(acts) + 1, len(found.centres)))
    for utterance, label in zip(said, found.labels, strict=True):
        if utterance.act is not None:
            table[row.get(utterance.act, len(acts)), label] += 1
    sums = table.sum(axis=0)
    shares = table / np.where(sums == 0, 1, sums)
    # An act's mean cluster orders the rows, so that a good clustering shows as a diagonal.
    order = np.argsort(table[:-1] @ np.arange(len(sums)) / table[:-1].sum(axis=1), kind="stable")
    names = [acts[number] for number in order]
    if len(counts) > most:
        return [*names, "other acts"], shares[[*order, len(acts)]]
    return names, shares[order]
