"""Corpus chrF, equal to sacrebleu's, from counts kept for every reply (Popović 2015).

F2 over character 1- to 6-grams without white space, averaged over the orders both sides have; no word n-grams
(chrF, not chrF++). Counts are additive, as those of BLEU.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lab_lib.evaluation.ngrams import matched_ngrams, possible_ngrams

ORDERS = 6
COLUMNS = 3 * ORDERS
SIGNATURE = "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no"
_RECALL = 4  # beta squared: recall counts twice as much as precision


def chrf_counts(replies: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Return integers (replies, 18): for 1- to 6-grams how many a reply has, its reference has, and both have."""
    ours, theirs = ([_characters(text) for text in side] for side in (replies, references))
    lengths = [np.array([len(text) for text in side], dtype=np.int64) for side in (ours, theirs)]
    said, wanted = (possible_ngrams(side, ORDERS) for side in lengths)
    # As in sacrebleu: an order for which the reference is too short counts on neither side.
    return np.hstack([said * (wanted > 0), wanted, matched_ngrams(ours, theirs, ORDERS)])


def chrf(counts: np.ndarray) -> float:
    """Return chrF (0 to 100) of summed counts (18 integers)."""
    said, wanted, matched = (np.asarray(part, dtype=np.float64) for part in np.split(counts, 3))
    usable = (said > 0) & (wanted > 0)
    if not usable.any():
        return 0.0
    precision, recall = (float(np.mean(matched[usable] / side[usable])) for side in (said, wanted))
    if precision + recall == 0:
        return 0.0
    return 100 * (1 + _RECALL) * precision * recall / (_RECALL * precision + recall)


def _characters(text: str) -> np.ndarray:
    """Return the code points of a text without white space."""
    packed = "".join(text.split()).encode("utf-32-le", "surrogatepass")
    return np.frombuffer(packed, dtype=np.uint32).astype(np.int64)
