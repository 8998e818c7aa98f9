"""Training and test data of judges: utterances with the index of their emotion, and the halves of train.

Judges that score replies learn from one half of the training dialogues, and the judge that rewards replies in training
from the other: a model that was trained to please a judge is never scored by it, nor by one that read the same labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lab_lib.corpora.chats.split import near_copies
from lab_lib.corpora.dailydialog.leaks import clean
from lab_lib.corpora.dailydialog.types import EMOTIONS, Talk

Half = Literal["score", "reward", "all"]
HALVES: tuple[Half, ...] = ("score", "reward", "all")
OTHER: dict[Half, Half] = {"score": "reward", "reward": "score", "all": "all"}


@dataclass(frozen=True)
class Labelled:
    """Utterances, those said before them in order (the last `context` of the dialogue), and their emotions' numbers."""

    texts: tuple[str, ...]
    before: tuple[str, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def pick(self, places: np.ndarray) -> Labelled:
        """Return those at some places."""
        chosen = [int(place) for place in places]
        return Labelled(
            tuple(self.texts[place] for place in chosen), tuple(self.before[place] for place in chosen),
            self.labels[chosen],
        )  # fmt: skip


def labelled(talks: Sequence[Talk], context: int = 0) -> Labelled:
    """Return every utterance of some dialogues with its emotion, and the `context` utterances before it as one text."""
    said = [(talk.said, place) for talk in talks for place in range(len(talk.said))]
    return Labelled(
        tuple(turns[place].text for turns, place in said),
        tuple(" ".join(one.text for one in turns[max(0, place - context) : place]) for turns, place in said),
        np.array([EMOTIONS.index(turns[place].emotion) for turns, place in said], dtype=np.int64),
    )


def priors_of(data: Labelled) -> list[float]:
    """Return the share of each emotion."""
    return (np.bincount(data.labels, minlength=len(EMOTIONS)) / len(data)).tolist()


def half_of(talks: Sequence[Talk], half: Half) -> list[Talk]:
    """Return one half of the training dialogues; near copies of a dialogue are in the same half."""
    return list(talks) if half == "all" else _halves(talks)[half]


def unlearned(talks: Sequence[Talk], half: Half) -> list[Talk]:
    """Return the training dialogues that a judge of `half` has not learned from, not even nearly; none for all.

    That is the other half without what stands in its own one by the stricter rule of corpora/dailydialog/leaks.py,
    which also finds dialogues that share a third of their words.
    """
    if half == "all":
        return []
    halves = _halves(talks)
    return clean(halves[OTHER[half]], halves[half])


def _halves(talks: Sequence[Talk]) -> dict[Half, list[Talk]]:
    kept: dict[Half, list[Talk]] = {"score": [], "reward": []}
    places = dict[int, Half]()
    for talk, group in zip(talks, near_copies([talk.text for talk in talks]), strict=True):
        kept[places.setdefault(group, min(kept, key=lambda name: len(kept[name])))].append(talk)
    return kept


def balanced(data: Labelled, most: int, seed: int = 0) -> Labelled:
    """Return at most `most` utterances of each emotion, drawn with the seed, in their order."""
    rng, places = np.random.default_rng(seed), list[int]()
    for number in range(len(EMOTIONS)):
        here = np.flatnonzero(data.labels == number)
        places += list(rng.permutation(here)[:most])
    return data.pick(np.array(sorted(places), dtype=np.int64))
