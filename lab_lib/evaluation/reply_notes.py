"""Notes on replies that a metric cannot measure: too short for BLEU, without words, or in letters unknown to ROUGE.

The numbers are those of the libraries; a note gives the number of replies that they do not measure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lab_lib.evaluation.bleu import ORDERS

_ROUGE_WORD = re.compile(r"[a-z0-9]")  # after lower-casing, all that rouge-score takes for text


def short_notes(lengths: Sequence[int], what: str = "replies") -> list[str]:
    """Return a note on texts with too few tokens for a 4-gram; `lengths` are their tokens.

    >>> short_notes([3, 1])
    ['replies under 4 tokens: 2 of 2; they have no 4-gram, and as no reply has one, BLEU is 0, whatever they say']
    """
    short = sum(length < ORDERS for length in lengths)
    if not short:
        return []
    alone = ", and as no reply has one, BLEU is 0, whatever they say" if short == len(lengths) else " for BLEU"
    return [f"{what} under {ORDERS} tokens: {short} of {len(lengths)}; they have no {ORDERS}-gram{alone}"]


def empty_notes(wordless: int, empty: int, total: int, counted_as: str) -> list[str]:
    """Return a note on replies without a word; `empty` of them have no characters, `counted_as` is their length."""
    if not wordless:
        return []
    blank = f" ({empty} of them empty)" if empty else ""
    return [f"replies without a word: {wordless} of {total}{blank}; {counted_as}"]


def rouge_notes(replies: Sequence[str], references: Sequence[str]) -> list[str]:
    """Return notes on references and replies in which ROUGE finds no word, and on equal pairs among them.

    >>> rouge_notes(["你好"], ["你好"])[0]
    'ROUGE reads a-z and 0-9 only: no word in 1 of 1 references and 1 of 1 replies; they count 0 (1 equal pair too)'
    """
    bare, mute = (sum(not _ROUGE_WORD.search(text.lower()) for text in side) for side in (references, replies))
    pairs = zip(replies, references, strict=True)
    equal = sum(a == b and not _ROUGE_WORD.search(a.lower()) for a, b in pairs)
    if not bare and not mute:
        return []
    count, too = len(replies), f" ({equal} equal pair{'s' * (equal != 1)} too)" if equal else ""
    return [
        f"ROUGE reads a-z and 0-9 only: no word in {bare} of {count} references and {mute} of {count} replies; "
        f"they count 0{too}"
    ]
