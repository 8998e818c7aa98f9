"""The skeleton of an utterance is its text without values: utterances with equal skeletons differ only in values."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from lab_lib.calls.call import Call

SLOT = "_"
RUN = 4  # words in a piece of a skeleton
# Two skeletons are near copies if they share this fraction of all their pieces. A single shared piece, such as `on my
# shopping list`, proves little, because different people say it independently; it is counted separately.
NEAR = 0.5
# Numbers in words are values too; digits are always masked.
SPOKEN_NUMBERS = """
one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand half quarter third
null eins ein eine einen einer zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn
sechzehn siebzehn achtzehn neunzehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert tausend
halb halbe halben viertel
"""
NUMBER_WORDS = frozenset(SPOKEN_NUMBERS.split())
Skeleton = frozenset[str]


def skeleton(utterance: str, call: Call) -> Skeleton:
    """Return the runs of four words of an utterance in which the values of its call and all numbers are masked.

    Adjacent values become one mask. A shorter text is one run; a text of masks only has no runs.

    >>> sorted(skeleton("Is it wet in New York tonight", Call("weather", {"location": "New York"})))
    ['is it wet in', 'it wet in _', 'wet in _ tonight']
    """
    text = f" {' '.join(_words(utterance))} "
    for value in sorted(_spoken(call), key=len, reverse=True):
        text = text.replace(f" {value} ", f" {SLOT} ")
    masked: list[str] = []
    for word in text.split():
        word = SLOT if word in NUMBER_WORDS or re.search(r"\d", word) else word
        if word != SLOT or masked[-1:] != [SLOT]:
            masked.append(word)
    if set(masked) <= {SLOT}:
        return frozenset()
    return frozenset(" ".join(masked[start : start + RUN]) for start in range(max(1, len(masked) - RUN + 1)))


def nearest_skeletons(asked: Sequence[Skeleton], known: Sequence[Skeleton]) -> list[tuple[float, int]]:
    """Return for each skeleton (its share of common pieces with the nearest known skeleton, the index of that one).

    The share is 0 and the index -1 if no piece is known.
    """
    holders: dict[str, list[int]] = defaultdict(list)
    for place, pieces in enumerate(known):
        for piece in pieces:
            holders[piece].append(place)
    found = []
    for pieces in asked:
        common = Counter(place for piece in pieces for place in holders.get(piece, ()))
        shares = ((count / len(pieces | known[place]), -place) for place, count in common.items())
        share, place = max(shares, default=(0.0, 1))
        found.append((share, -place))
    return found


def near_pairs(known: Sequence[Skeleton], share: float) -> Iterator[tuple[int, int]]:
    """Yield (index, smaller index) of each two skeletons that have at least this share of all their pieces in common.

    A skeleton of n pieces has at least `share` * n of them in common with such another one. So one of its n - `share` *
    n + 1 rarest pieces is among those of the other one, and only skeletons with a common rare piece are compared.
    """
    counts = Counter(piece for pieces in known for piece in pieces)
    holders: dict[str, list[int]] = defaultdict(list)
    for place, pieces in enumerate(known):
        size = len(pieces) - math.ceil(share * len(pieces)) + 1
        rare = sorted(pieces, key=lambda piece: (counts[piece], piece))[:size]
        for other in sorted({other for piece in rare for other in holders[piece]}):
            if len(pieces & known[other]) / len(pieces | known[other]) >= share:
                yield place, other
        for piece in rare:
            holders[piece].append(place)


def spelling(utterance: str) -> str:
    """Return an utterance without differences in case, white space and final punctuation, for comparison.

    >>> spelling("  News  please! ")
    'news please'
    """
    return " ".join(utterance.casefold().split()).rstrip(".!?, ")


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _spoken(call: Call) -> set[str]:
    """Return the values of a call as words; True and False are not spoken."""
    values = [one for value in call.arguments.values() for one in (value if isinstance(value, list) else [value])]
    return {" ".join(_words(str(value))) for value in values if not isinstance(value, bool)} - {""}
