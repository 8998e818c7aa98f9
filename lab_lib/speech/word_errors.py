"""Word error rate: how many words were inserted, deleted or replaced, for each word that was said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from rapidfuzz.distance import Levenshtein


@dataclass(frozen=True)
class WordErrors:
    """Errors and words of some utterances, and how many of these were heard without an error."""

    errors: int
    words: int
    perfect: int
    utterances: int

    @property
    def rate(self) -> float:
        """Errors in a hundred words; above 100 where more was heard than was said."""
        return 100 * self.errors / self.words if self.words else 0.0


def word_errors(pairs: Iterable[tuple[str, str]]) -> WordErrors:
    """Count the errors of (what was said, what was heard), over all utterances together.

    Both are brought into Whisper's own form for this (case, marks, fillers, numbers in digits), so that "fifteen" and
    "15" are one word, without its list of American spellings, which is not in the library.

    >>> word_errors([("Set a timer for fifteen minutes.", "set the timer for 15 minutes")])
    WordErrors(errors=1, words=6, perfect=0, utterances=1)
    """
    errors = words = perfect = utterances = 0
    for said, heard in pairs:
        expected, found = (_normaliser()(text).split() for text in (said, heard))
        wrong = Levenshtein.distance(expected, found)
        errors, words, perfect = errors + wrong, words + len(expected), perfect + (wrong == 0)
        utterances += 1
    return WordErrors(errors, words, perfect, utterances)


@cache
def _normaliser() -> Any:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    return EnglishTextNormalizer({})
