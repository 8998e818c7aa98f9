"""How many n-grams two texts have in common, counted for all pairs of a corpus at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def matched_ngrams(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray], orders: int) -> np.ndarray:
    """Return integers (pairs, orders): n-grams of one side that the other has too, each at most as often.

    A text is an array of numbers, one per word (or per character); `ours[i]` is compared with `theirs[i]`.
    """
    rows = len(ours)
    both = [*ours, *theirs]
    lengths = np.array([len(ids) for ids in both], dtype=np.int64)
    words = np.concatenate([np.zeros(0, np.int64), *both])
    kinds = int(words.max(initial=0)) + 1
    row = np.repeat(np.arange(2 * rows, dtype=np.int64) % max(rows, 1), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(words))  # words from here to the end
    is_ours = np.arange(len(words)) < lengths[:rows].sum()
    matched = np.zeros((rows, orders), dtype=np.int64)
    # An n-gram is the (n-1)-gram at the same place and one more word. The 0-gram is the row's number, so that
    # n-grams of two rows never meet; renumbering from 0 after each order keeps the keys small.
    grams, places = row, np.arange(len(words))
    for order in range(orders):
        keys = grams * kinds + words[places + order]
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


def possible_ngrams(lengths: np.ndarray, orders: int) -> np.ndarray:
    """Return integers (texts, orders): how many n-grams texts of these lengths have."""
    return np.maximum(lengths[:, None] - np.arange(orders), 0)
