"""Split one file into train, dev and test, without near copies across the splits."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from lab_lib.corpora.chats.types import Chat

SHARE = 0.1  # of the conversations, for dev and for test each
# Two texts are near copies if they share this fraction of their runs of three words. A changed name or number in a text
# of 20 words changes 3 of 18 runs: 15 of 21 different runs are shared, 0.71.
NEAR = 0.7
COMMON = 50  # a run of words that more conversations share is a common phrase and is ignored


def split_chats(chats: Sequence[Chat], seed: int, parts: Sequence[str] = ("test", "dev")) -> dict[str, list[Chat]]:
    """Return `parts` and "train" of some conversations, drawn by the seed; near copies stay together.

    The user's words decide: two conversations with nearly the same user turns are near copies, whatever the answers.
    """
    groups: dict[int, list[int]] = {}
    for place, group in enumerate(near_copies([chat.asked for chat in chats])):
        groups.setdefault(group, []).append(place)
    order = sorted(groups.values())
    random.Random(seed).shuffle(order)
    due = max(1, round(SHARE * len(chats)))
    drawn: dict[str, list[int]] = {name: [] for name in (*parts, "train")}
    for members in order:
        name = next((name for name in parts if len(drawn[name]) + len(members) <= due), "train")
        drawn[name] += members
    return {name: [chats[place] for place in sorted(drawn[name])] for name in reversed(drawn)}


def near_copies(texts: Sequence[str]) -> list[int]:
    """Return the number of the group of each text; texts of one group are near copies, at least one to the next.

    >>> near_copies(["Where is my order?", "thanks a lot", "where is MY order"])
    [0, 1, 0]
    """
    runs = [word_runs(text) for text in texts]
    holders: dict[str, list[int]] = {}
    for place, found in enumerate(runs):
        for run in found:
            holders.setdefault(run, []).append(place)
    parent = list(range(len(texts)))
    for place, found in enumerate(runs):
        shared: dict[int, int] = {}
        for run in found:
            for other in holders[run] if len(holders[run]) <= COMMON else ():
                if other < place:
                    shared[other] = shared.get(other, 0) + 1
        for other, count in shared.items():
            if count >= NEAR * (len(found) + len(runs[other]) - count):
                parent[_root(parent, place)] = _root(parent, other)
    first: dict[str, int] = {}  # equal texts belong together, also where each of their runs is a common phrase
    for place, text in enumerate(texts):
        parent[_root(parent, place)] = _root(parent, first.setdefault(" ".join(_words(text)), place))
    return [_root(parent, place) for place in range(len(texts))]


def word_runs(text: str) -> frozenset[str]:
    """Return the runs of three words of a text, or all of a shorter one; digits are one and the same."""
    words = _words(text)
    if len(words) < 3:
        return frozenset((" ".join(words),))
    return frozenset(" ".join(words[start : start + 3]) for start in range(len(words) - 2))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", re.sub(r"\d", "0", text.lower()))


def _root(parent: list[int], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place
