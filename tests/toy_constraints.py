"""Toy constraints for tests: a set of tokens, and a fixed list of answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

EOS = 2  # of the tiny models


@dataclass(frozen=True)
class Only:
    """Allows the same ids at every step."""

    ids: frozenset[int]

    def allowed(self, answer: Sequence[int]) -> Collection[int]:
        """Return the ids, whatever the answer is."""
        return self.ids


@dataclass(frozen=True)
class OneOf:
    """Allows some answers, which end with EOS. Asked about anything but the beginning of one, it fails."""

    answers: tuple[tuple[int, ...], ...]

    def allowed(self, answer: Sequence[int]) -> Collection[int]:
        """Return the ids that continue the answer to one of those allowed."""
        place = len(answer)
        following = [ids[place] for ids in self.answers if ids[:place] == tuple(answer) and len(ids) > place]
        assert following, f"asked about {answer}, which is not the beginning of an allowed answer"
        return following


@dataclass(frozen=True)
class FreeAfter:
    """Allows `ids` for the first tokens and everything after them."""

    ids: frozenset[int]
    tokens: int

    def allowed(self, answer: Sequence[int]) -> Collection[int] | None:
        """Return the ids, or None once there are enough tokens."""
        return self.ids if len(answer) < self.tokens else None


EVEN = Only(frozenset(range(0, 320, 2)))
ODD = Only(frozenset({*range(5, 320, 2), EOS}))


def trie(seed: int, count: int = 6) -> OneOf:
    """Return a constraint to a few answers of 0 to 4 tokens and EOS; some are the beginning of others."""
    stems = [tuple((7 * seed + 11 * n + 3 * i) % 290 + 5 for i in range((n + seed) % 5)) for n in range(count - 1)]
    return OneOf(tuple((*stem, EOS) for stem in (*stems, (*stems[0], 9))))
