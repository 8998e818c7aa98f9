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

ORDERS = 4
SIGNATURE = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"


class BleuCounter:
    """Counts replies against fixed references, one each; references are tokenised once, here."""

    def __init__(self, references: Sequence[str]) -> None:
        self._words: dict[str, int] = {}
        self._encoded: dict[str, np.ndarray] = {}
        self._references = [self._encode(text) for text in references]

    def counts(self, replies: Sequence[str], which: Sequence[int]) -> np.ndarray:
        """Return integers (replies, 10): length, reference length, 4 matched and 4 total n-gram counts.

        Reply i is compared with reference number `which[i]`.
        """
        ours = [self._encode(text) for text in replies]
        theirs = [self._references[number] for number in which]
        lengths = np.array([[len(ids) for ids in side] for side in (ours, theirs)], dtype=np.int64)
        matched = self._matched(ours, theirs)
        totals = np.maximum(lengths[0][:, None] - np.arange(ORDERS), 0)
        return np.hstack([lengths.T, matched, totals])

    def _matched(self, ours: list[np.ndarray], theirs: list[np.ndarray]) -> np.ndarray:
        """Return integers (replies, 4): n-grams of a reply that its reference has, each at most as often."""
        rows = len(ours)
        both = ours + theirs
        lengths = np.array([len(ids) for ids in both], dtype=np.int64)
        words = np.concatenate([np.zeros(0, np.int64), *both])
        row = np.repeat(np.arange(2 * rows, dtype=np.int64) % max(rows, 1), lengths)
        left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(words))  # words from here to the end
        is_ours = np.arange(len(words)) < lengths[:rows].sum()
        matched = np.zeros((rows, ORDERS), dtype=np.int64)
        # An n-gram is the (n-1)-gram at the same place and one more word. The 0-gram is the row's number, so
        # that n-grams of two rows never meet; renumbering from 0 after each order keeps the keys small.
        grams, places = row, np.arange(len(words))
        for order in range(ORDERS):
            keys = grams * len(self._words) + words[places + order]
            distinct, grams = np.unique(keys, return_inverse=True)
            mine = is_ours[places]
            common = np.minimum(
                np.bincount(grams[mine], minlength=len(distinct)),
                np.bincount(grams[~mine], minlength=len(distinct)),
            )
            row_of = np.zeros(len(distinct), dtype=np.int64)
            row_of[grams] = row[places]
            matched[:, order] = np.bincount(row_of, weights=common, minlength=rows)
            goes_on = left[places] > order + 1
            grams, places = grams[goes_on], places[goes_on]
        return matched

    def _encode(self, text: str) -> np.ndarray:
        """Return the numbers of a text's words."""
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
