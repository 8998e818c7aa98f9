"""Corpus BLEU, equal to sacrebleu's to all digits, from counts kept for every reply.

BLEU of a corpus depends on ten additive counts per reply: its length, the reference's length, and the numbers of all
and of matching 1- to 4-grams. With these counts a bootstrap needs only additions. The formula is sacrebleu's own, the
tokenisation (13a) equal to its; counting is done for all replies at once.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import numpy as np

from lab_lib.errors import LabError
from lab_lib.evaluation.ngrams import matched_ngrams, possible_ngrams

ORDERS = 4
# ASCII symbols that become separate tokens: all but ' , - . and the space, which only separates.
_APART = {ord(sign): f" {sign} " for sign in '!"#$%&()*+/:;<=>?@[\\]^_`{|}~'}
_AFTER_NO_DIGIT = re.compile(r"([^0-9])([.,])")
_BEFORE_NO_DIGIT = re.compile(r"([.,])([^0-9])")
_DASH_AFTER_DIGIT = re.compile(r"([0-9])-")
SIGNATURE = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"


class BleuCounter:
    """Counts the matches of replies with fixed references, one each; references are tokenised once, here."""

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
            words = tokenise_13a(text.rstrip()).split()
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


@functools.lru_cache(maxsize=32768)
def tokenise_13a(text: str) -> str:
    """Return a text as mteval-v13a splits it, words between single spaces: equal to sacrebleu's `13a`.

    Its four patterns are applied in order. The first concerns single characters and uses a table; the others are tried
    only where they can match.

    >>> tokenise_13a("It's 3.5 pounds, ok (yes)-no.")
    "It's 3.5 pounds , ok ( yes ) -no ."
    """
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in text:
        for escaped, sign in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
            text = text.replace(escaped, sign)
    text = f" {text} ".translate(_APART)
    if "." in text or "," in text:
        text = _AFTER_NO_DIGIT.sub(r"\1 \2 ", text)
        text = _BEFORE_NO_DIGIT.sub(r" \1 \2", text)
    if "-" in text:
        text = _DASH_AFTER_DIGIT.sub(r"\1 - ", text)
    return " ".join(text.split())
