"""Compare two texts word by word, and measure their overlap."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

# A placeholder, a word or a single symbol, each with the white space before it; then white space at the end.
TOKEN = re.compile(r"\s*(?:\[[^\[\]\s]+\]|\w+|[^\w\s])|\s+")
# In a call a quoted value is one token: "12:22" instead of "11:59" is one different value, not two different numbers. A
# limit on its length keeps the time linear if many quotes are opened and none is closed.
CALL_TOKEN = re.compile(r'\s*(?:"(?:\\.|[^"\\]){0,300}"|\w+|[^\w\s])|\s+')


def difference(reference: str, prediction: str | None, token: re.Pattern[str] = TOKEN) -> list[str] | None:
    """Compare two texts word by word: [same, missing, extra, same, missing, extra, ...]; None stays None.

    `same` and `extra` joined are the prediction, to the character; `missing` are words only the reference has. Case and
    white space are ignored, as in the scorer. Texts that share less than a third of their words count as completely
    different: single common words carry no information and are hard to read. Python's difflib computes the alignment,
    which is good but not always the shortest.

    >>> difference("it is in the [area] .", "It is in the north.")
    ['It is in the', ' [area]', ' north', '.']
    >>> difference("yes", "yes")
    ['yes']
    """
    if prediction is None:
        return None
    gold, said = token.findall(reference), token.findall(prediction)
    matcher = difflib.SequenceMatcher(None, _words(gold), _words(said), autojunk=False)
    # The first call is a cheap upper bound: a text many times as long as its reference is not compared.
    if matcher.real_quick_ratio() < 1 / 3 or matcher.ratio() < 1 / 3:
        return ["", reference, prediction]
    parts = [""]
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            parts[-1] = "".join(said[c:d])
        else:
            parts += ["".join(gold[a:b]), "".join(said[c:d]), ""]
    return parts[:-1] if len(parts) > 1 and not parts[-1] else parts


def _words(tokens: Sequence[str]) -> list[str]:
    """Return tokens in the form for comparison."""
    return [token.strip().lower() for token in tokens]


def overlap(differences: Sequence[list[str] | None]) -> float | None:
    """Return an item's overlap with its reference, 0-100: twice the shared words divided by all words.

    A missing answer is omitted; the result is None if there is nothing to compare. It sorts the items of the page and
    is not a published metric.

    >>> overlap([["a b", " c", " d"]])  # 2 shared words; 3 words on each side
    66.7
    """
    same = other = 0
    for parts in differences:
        for place, part in enumerate(parts or ()):
            count = sum(bool(token.strip()) for token in TOKEN.findall(part))
            same, other = (same + count, other) if place % 3 == 0 else (same, other + count)
    return round(200 * same / (2 * same + other), 1) if same + other else None
