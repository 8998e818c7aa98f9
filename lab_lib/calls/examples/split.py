"""Draw sets of examples by seed, in equal shares of every class, with near copies in the same set."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

from lab_lib.calls.call import Call
from lab_lib.calls.examples.skeleton import NEAR, Skeleton, near_pairs, skeleton

REST = "train"  # the set of all remaining examples
Asked = tuple[str, Call]  # what a user says, and the call that answers it


def draw_sets(examples: Sequence[Asked], shares: Mapping[str, float], seed: int) -> list[str]:
    """Return the set of each example: one of `shares` ({set: share of every class}), or REST.

    A class is the name of a call. Examples of a class that differ only, or nearly only, in their values stay together.
    A set gets whole groups of them until its share is reached, so a class with few large groups may contribute less.
    """
    classes: dict[str, list[int]] = defaultdict(list)
    for place, (_, call) in enumerate(examples):
        classes[call.name].append(place)
    drawn = [REST] * len(examples)
    for name in sorted(classes):
        places = classes[name]
        groups = near_groups([examples[place] for place in places])
        random.Random(f"{seed}/{name}").shuffle(groups)
        room = {part: round(share * len(places)) for part, share in shares.items()}
        for group in groups:
            part = next((part for part in room if len(group) <= room[part]), REST)
            if part != REST:
                room[part] -= len(group)
            for member in group:
                drawn[places[member]] = part
    return drawn


def near_groups(examples: Sequence[Asked]) -> list[list[int]]:
    """Return groups of indices of near copies; each example is a near copy of another one in its group."""
    parent = list(range(len(examples)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    def join(place: int, other: int) -> None:
        parent[root(place)] = root(other)

    texts: dict[str, int] = {}  # each text, and each skeleton: the first example with it
    skeletons: dict[Skeleton, int] = {}
    for place, (text, call) in enumerate(examples):
        join(place, texts.setdefault(text.casefold(), place))
        if pieces := skeleton(text, call):
            join(place, skeletons.setdefault(pieces, place))
    places = list(skeletons.values())
    for one, other in near_pairs(list(skeletons), NEAR):
        join(places[one], places[other])
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(len(examples)):
        groups[root(place)].append(place)
    return list(groups.values())
