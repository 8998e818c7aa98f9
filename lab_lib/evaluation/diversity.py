"""How varied the replies are: lengths, distinct n-grams, entropies and type-token ratio.

The definitions, down to what counts as a token, are those of the MultiWOZ response scorer; an empty reply has
one (empty) token, for example.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence

# Deleted one after the other, in this order. Replies are lower case but for placeholders, so "SYM" is rare.
_DELETED = ("``", "''", "'", ".", ",", "?", "!", ")", "(", "%", "/", "-", "_", "SYM", ":", ";")
WINDOW = 50  # tokens; a type-token ratio depends on the length of the text, so it is taken of equal pieces


@functools.lru_cache(maxsize=32768)
def tokens(reply: str) -> tuple[str, ...]:
    """Return the tokens of a normalised reply: punctuation deleted, lower case, split at single spaces.

    >>> tokens("it's at ADDRESS, ok?"), tokens("")
    (('its', 'at', 'address', 'ok'), ('',))
    """
    for mark in _DELETED:
        reply = reply.replace(mark, "")
    return tuple(re.sub(r"\s+", " ", reply).lower().split(" "))


def richness(replies: Sequence[str]) -> dict[str, float]:
    """Return the figures of normalised replies (at least one), n-grams never crossing from reply to reply.

    `avg_lengths` tokens per reply; `num_unigrams`, `num_bigrams`, `num_trigrams` distinct n-grams; `entropy`
    of the unigrams and `cond_entropy` of a token given the one before, in bits; `msttr` the mean type-token
    ratio of whole windows of 50 tokens (of everything if there are fewer than 51).
    """
    turns = [tokens(reply) for reply in replies]
    flat = [token for turn in turns for token in turn]
    unigrams = Counter(flat)
    bigrams = Counter(pair for turn in turns for pair in itertools.pairwise(turn))
    trigrams = {triple for turn in set(turns) for triple in zip(turn, turn[1:], turn[2:], strict=False)}
    total = len(flat)
    return {
        "entropy": 0.0 - sum(n / total * math.log2(n / total) for n in unigrams.values()),
        "cond_entropy": 0.0 - sum(n / total * math.log2(n / unigrams[a]) for (a, _), n in bigrams.items()),
        "avg_lengths": total / len(turns),
        "msttr": _msttr(flat),
        "num_unigrams": len(unigrams),
        "num_bigrams": len(bigrams),
        "num_trigrams": len(trigrams),
    }


def _msttr(flat: Sequence[str]) -> float:
    """Return the mean share of distinct tokens in the whole windows of a text."""
    if len(flat) < WINDOW + 1:
        return len(set(flat)) / len(flat)
    starts = range(0, len(flat) - WINDOW + 1, WINDOW)
    return sum(len(set(flat[start : start + WINDOW])) / WINDOW for start in starts) / len(starts)
