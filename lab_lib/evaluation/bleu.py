"""Corpus BLEU, equal to sacrebleu's to all digits, from counts kept for every reply.

BLEU of a corpus depends on ten additive counts a reply: its length, the reference's, and for 1- to 4-grams
how many there are and how many the reference has too. With these at hand a bootstrap costs additions only.
Tokenisation (13a) and the formula are sacrebleu's own; the counting is done for all replies at once.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from lab_lib.errors import LabError
from lab_lib.evaluation.ngrams import matched_ngrams, possible_ngrams

ORDERS = 4
SIGNATURE = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"


class BleuCounter:
    """Counts replies against fixed references, one each; references are tokenised once, here."""

    def __init__(self, references: Sequence[str]) -> None:
        self._words: dict[str, int] = {}
        self._encoded: dict[str, np.ndarray] = {}
        self._references = [self.words(text) for text in references]

    def counts(self, replies: Sequence[str], which: Sequence[int]) -> np.ndarray:
        """Return integers (replies, 10): length, reference length, 4 matched and 4 total n-gram counts.

        Reply i is compared with reference number `which[i]`.
        """
        ours = [self.words(text) for text in replies]
        theirs = [self._references[number] for number in which]
        lengths = np.array([[len(ids) for ids in side] for side in (ours, theirs)], dtype=np.int64)
        matched = matched_ngrams(ours, theirs, ORDERS)
        totals = possible_ngrams(lengths[0], ORDERS)
        return np.hstack([lengths.T, matched, totals])

    def words(self, text: str) -> np.ndarray:
        """Return the numbers of a text's words; the same word has the same number everywhere."""
        if text not in self._encoded:
            words = _tokeniser()(text.rstrip()).split()
            numbers = [self._words.setdefault(word, len(self._words)) for word in words]
            self._encoded[text] = np.array(numbers, dtype=np.int64)
        return self._encoded[text]


def bleu(counts: np.ndarray) -> float:
    """Return BLEU (0 to 100) of summed counts (10 integers): sacrebleu's formula, exponential smoothing."""
    from sacrebleu.metrics.bleu import BLEU

    length, reference, *grams = (int(count) for count in counts)
    return float(BLEU.compute_bleu(grams[:ORDERS], grams[ORDERS:], length, reference, smooth_method="exp").score)


def corpus_bleu(replies: Sequence[str], references: Sequence[str]) -> float:
    """Return BLEU of replies against one reference each. Raises LabError if there are not equally many.

    >>> round(corpus_bleu(["the cat sat on the mat ."], ["the cat sat on a mat ."]), 4)
    48.8923
    """
    if len(replies) != len(references):
        raise LabError(f"BLEU: {len(replies)} replies for {len(references)} references, expected one each")
    return bleu(BleuCounter(references).counts(replies, range(len(replies))).sum(axis=0))


@functools.cache
def _tokeniser() -> Any:
    """Return sacrebleu's 13a tokeniser."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return Tokenizer13a()
