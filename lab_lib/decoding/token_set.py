"""A set of token ids stored as bits, the format of grammars; it may hold half of a large vocabulary."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class TokenSet(Collection[int]):
    """The ids whose bit is set in `words` (unsigned, 32 bits each, lowest first), of a vocabulary of `size` ids."""

    words: np.ndarray
    size: int

    def mask(self) -> np.ndarray:
        """Return a boolean array of shape (size,), True where an id is in the set."""
        return np.unpackbits(self.words.view(np.uint8), count=self.size, bitorder="little").view(bool)

    def __contains__(self, token: Any) -> bool:
        """Return whether an id is in the set."""
        return 0 <= token < self.size and bool(self.words[token >> 5] >> (token & 31) & 1)

    def __iter__(self) -> Iterator[int]:
        """Iterate over the ids, ascending."""
        return iter(np.flatnonzero(self.mask()).tolist())

    def __len__(self) -> int:
        """Return how many ids there are."""
        return int(self.mask().sum())
