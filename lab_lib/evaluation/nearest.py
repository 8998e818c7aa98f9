"""The nearest of some texts to a new one, by shared words: a baseline that needs no model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from heapq import nsmallest


class Nearest:
    """Finds texts by the cosine of their tf-idf vectors over words (tf as it is, idf = 1 + ln(texts / with the word)).

    Where no word is shared it is the first text.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        counted = [Counter(_words(text)) for text in texts]
        holders = Counter(word for words in counted for word in words)
        self.weights = {word: 1 + math.log(len(texts) / count) for word, count in holders.items()}
        self.found: dict[str, list[tuple[int, float]]] = {}
        for place, words in enumerate(counted):
            vector = self._unit(words)
            for word, value in vector.items():
                self.found.setdefault(word, []).append((place, value))

    def _unit(self, words: Counter[str]) -> dict[str, float]:
        vector = {word: count * self.weights[word] for word, count in words.items() if word in self.weights}
        length = math.sqrt(sum(value * value for value in vector.values())) or 1.0
        return {word: value / length for word, value in vector.items()}

    def place(self, text: str) -> int:
        """Return the index of the nearest text; of equally near ones the first.

        >>> Nearest(["book a room", "call a taxi", "a taxi home"]).place("is there a taxi ?")
        1
        """
        return self.places(text, 1)[0]

    def places(self, text: str, count: int) -> list[int]:
        """Return the indices of the `count` nearest texts, the nearest first: those that share a word, at least one.

        >>> Nearest(["book a room", "call a taxi", "a taxi home"]).places("is there a taxi ?", 2)
        [1, 2]
        """
        scores: dict[int, float] = {}
        for word, value in self._unit(Counter(_words(text))).items():
            for place, other in self.found[word]:
                scores[place] = scores.get(place, 0.0) + value * other
        return nsmallest(count, scores, key=lambda place: (-round(scores[place], 12), place)) or [0]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
