"""Similarity of two values with different spelling, case or word order: `token_sort_ratio` of fuzzywuzzy 0.18.

There are two backends, because the published package had two: it used difflib, but silently switched to another method
if python-Levenshtein was installed. The choice changes scores in the third decimal, so every output names it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from difflib import SequenceMatcher

from lab_lib.errors import LabError, nearest

Ratio = Callable[[str, str], int]

# fuzzywuzzy calls this "force ascii", but only these 128 code points go; Greek or Chinese letters stay.
_UPPER_LATIN = {code: None for code in range(128, 256)}
_NO_WORD = re.compile(r"\W")


# Values repeat in every later turn of a dialogue: few distinct ones, many comparisons.
@functools.lru_cache(maxsize=65536)
def sorted_words(text: str) -> str:
    """Return the words of a text, lower-cased and sorted, joined by single spaces.

    Code points 128 to 255 are deleted first, then every character that is no letter, digit or underscore
    separates words.

    >>> sorted_words("Mill-Lane Café, 12")
    '12 caf lane mill'
    """
    return " ".join(sorted(_NO_WORD.sub(" ", text.translate(_UPPER_LATIN)).lower().split()))


def token_sort_ratio(first: str, second: str, backend: str = "difflib") -> int:
    """Return 0 to 100: 100 for the same words in any order, 0 if one text (but not both) has no words.

    The order of the arguments matters a little: difflib is not symmetric. Raises LabError for an unknown backend.

    >>> token_sort_ratio("The Mill, Tolvey", "tolvey the mill")
    100
    """
    return ratio_by_name(backend)(first, second)


def ratio_by_name(backend: str) -> Ratio:
    """Return the comparison of a backend: `difflib` (canonical) or `indel` (rapidfuzz). Raises LabError."""
    if backend not in BACKENDS:
        raise LabError(f"fuzzy backend: unknown '{backend}'{nearest(str(backend), BACKENDS)}")
    return BACKENDS[backend]


@functools.lru_cache(maxsize=65536)
def _difflib(first: str, second: str) -> int:
    """Compare by difflib's longest blocks, with its rule that drops frequent characters of 200 or more."""
    return _compare(first, second, lambda a, b: SequenceMatcher(None, a, b).ratio())


@functools.lru_cache(maxsize=65536)
def _indel(first: str, second: str) -> int:
    """Compare by the longest common subsequence: 1 - (insertions + deletions) / (sum of the lengths).

    Written exactly so, because 1 - 46/80 and 34/80 round to different whole numbers (43 and 42) in floats, and
    python-Levenshtein computes the first.
    """
    from rapidfuzz.distance import Indel

    return _compare(first, second, Indel.normalized_similarity)


def _compare(first: str, second: str, similarity: Callable[[str, str], float]) -> int:
    """Return the similarity of the sorted words in per cent, rounded half to even."""
    ours, theirs = sorted_words(first), sorted_words(second)
    if ours == theirs:
        return 100
    return round(100 * similarity(ours, theirs)) if ours and theirs else 0


BACKENDS: dict[str, Ratio] = {"difflib": _difflib, "indel": _indel}
