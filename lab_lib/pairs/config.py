"""How preference pairs are sampled and chosen."""

from __future__ import annotations

from dataclasses import dataclass

from lab_lib.errors import LabError


@dataclass(frozen=True)
class PairsConfig:
    """The settings of `lab pairs`."""

    items: int = 100  # training items, drawn with the seed
    # Prompts of each, drawn with the seed (the task emotion has seven). All, where only whole conversations have a
    # reward (the task response).
    asks: int = 2
    samples: int = 6  # answers to each prompt: more find better and worse ones, time grows in proportion
    temperature: float = 1.0
    top_p: float = 0.9
    gap: float = 0.3  # least difference of the rewards of a pair
    ratio: float = 1.5  # greatest ratio of the two lengths, in words
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what makes no pair."""
        if min(self.items, self.asks) < 1 or self.samples < 2 or self.gap <= 0 or self.ratio < 1:
            raise LabError("pairs: items and asks are at least 1, samples 2; gap is above 0, ratio at least 1")


def similar(one: str, other: str, ratio: float) -> bool:
    """Return whether the lengths of two texts, in words, differ by a ratio at most.

    >>> similar("one two three", "one two", 1.5), similar("one two three four", "one two", 1.5)
    (True, False)
    """
    short, long = sorted((len(one.split()), len(other.split())))
    return long <= ratio * short
