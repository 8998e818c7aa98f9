"""Wrong answers to the exercises of lab 22, each with what its message must say."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np


def beside(vectors, turns, shift=1, first_half=True, scale=True, zero=True):
    before = np.roll(vectors, shift, axis=0)
    if zero:
        before[np.asarray(turns) == 0] = 0
    both = np.hstack([vectors, before] if first_half else [before, vectors])
    return both / np.linalg.norm(both, axis=1, keepdims=True) if scale else both


def in_place(vectors, turns):
    found = beside(vectors, turns)
    vectors /= 2
    return found


def distances(points, centres):
    return ((points[:, None] - centres[None]) ** 2).sum(axis=2)


def means(points, labels, centres):
    return np.array([points[labels == number].mean(axis=0) for number in range(len(centres))])


def means_of_seen(points, labels, centres):
    return np.array([points[labels == number].mean(axis=0) for number in sorted(set(labels.tolist()))])


def zeros_for_empty(points, labels, centres):
    moved = np.zeros_like(centres)
    for number in set(labels.tolist()):
        moved[number] = points[labels == number].mean(axis=0)
    return moved


def moves_the_old(points, labels, centres):
    for number in set(labels.tolist()):
        centres[number] = points[labels == number].mean(axis=0)
    return centres


def sums(points, labels, centres):
    return np.array([points[labels == number].sum(axis=0) for number in range(len(centres))])


def ratio(inside, outside, count):
    return sorted(inside, key=lambda word: -inside[word] / outside[word])[:count]


def difference(inside, outside, count):
    known = sorted({*inside, *outside})
    return sorted(known, key=lambda word: outside[word] - inside[word])[:count]


def only_inside(inside, outside, count):
    known = len({*inside, *outside})
    a, b = sum(inside.values()) + known, sum(outside.values()) + known
    score = {w: math.log((inside[w] + 1) / a) - math.log((outside[w] + 1) / b) for w in sorted(inside)}
    return sorted(score, key=lambda word: -score[word])[:count]


def with_counts(inside, outside, count):
    return [(word, inside[word]) for word in only_inside(inside, outside, count)]


def counted(pairs, k):
    table = np.zeros((k + 1, k + 1), dtype=int)
    for a, b in pairs:
        table[a, b] += 1
    return table


def without_ends(walks, k):
    return counted([pair for walk in walks for pair in pairwise(walk)], k)


def one_long_walk(walks, k):
    flat = [label for walk in walks for label in walk]
    return counted(zip([k, *flat], [*flat, k], strict=True), k)


def with_empty(walks, k):
    return counted([pair for walk in walks for pair in zip([k, *walk], [*walk, k], strict=True)], k)


def turned(walks, k):
    return with_empty(walks, k).T


def start_first(walks, k):
    return np.roll(with_empty(walks, k), 1, axis=(0, 1))


def as_shares(walks, k):
    table = with_empty(walks, k)
    return table / table.sum(axis=1, keepdims=True)


def of_seen_clusters(walks, k):
    return with_empty([[label for label in walk] for walk in walks], max(max(walk, default=0) for walk in walks) + 1)


def entropy(shares):
    return -sum(p * math.log(p) for p in shares if p)


def right(table):
    joint = table / table.sum()
    given = entropy(joint.ravel()) - entropy(joint.sum(axis=0))
    whole = entropy(joint.sum(axis=1))
    return 1 - given / whole if whole else 1.0


def conditional(table):
    return 1 - right(table)


def unweighted(table):
    shares = table / table.sum(axis=0)
    return 1 - np.mean([entropy(column) for column in shares.T]) / entropy(table.sum(axis=1) / table.sum())


def with_zeros(table):
    joint = table / table.sum()
    given = -(joint * np.log(joint / joint.sum(axis=0))).sum()
    return 1 - given / entropy(joint.sum(axis=1))


def never_one_act(table):
    joint = table / table.sum()
    return 1 - (entropy(joint.ravel()) - entropy(joint.sum(axis=0))) / entropy(joint.sum(axis=1))


def purity(table):
    return table.max(axis=0).sum() / table.sum()


WRONG = [
    ("22.1", lambda v, i, n: np.argsort(-(v @ v[i]), kind="stable")[:n].tolist(), "row i itself is left out"),
    ("22.1", lambda v, i, n: [j for j in np.argsort(v @ v[i]).tolist() if j != i][:n], "got \\[4\\]"),
    ("22.1", lambda v, i, n: np.argsort(-(v @ v[i]), kind="stable")[1 : n + 1].tolist(), "by its number"),
    ("22.1", lambda v, i, n: sorted(v @ v[i])[::-1][:n], "similarities"),
    ("22.2", lambda v, t: beside(v, t, scale=False), "length 1"),
    ("22.2", lambda v, t: beside(v, t, zero=False), "expected \\[\\[1.0, 0.0\\]"),
    ("22.2", lambda v, t: beside(v, t, first_half=False), "got \\[\\[0.0, 1.0\\]"),
    ("22.2", in_place, "altered the vectors"),
    ("22.2", beside, "A row of zeros"),
    ("22.2", lambda v, t: v, "got shape"),
    ("22.3", lambda p, c: distances(p, c).argmax(axis=1), "not the farthest"),
    ("22.3", lambda p, c: (p @ c.T).argmax(axis=1), "the largest product"),
    ("22.3", lambda p, c: distances(p, c).min(axis=1), "got \\[1.0, 1.0\\]"),
    ("22.3", lambda p, c: len(c) - 1 - distances(p, c)[:, ::-1].argmin(axis=1), "Of equally near"),
    ("22.3", lambda p, c: distances(p, c).argmin(axis=0), "One number per point"),
    ("22.4", means, "mean of no points"),
    ("22.4", means_of_seen, "got shape"),
    ("22.4", zeros_for_empty, "got \\[\\[0.0, 0.0\\], \\[2.0, 2.0\\]\\]"),
    ("22.4", moves_the_old, "changed `centres` itself"),
    ("22.4", sums, "mean of its points"),
    ("22.5", lambda inside, outside, n: [w for w, _ in inside.most_common(n)], "not the most typical"),
    ("22.5", ratio, "ZeroDivisionError"),
    ("22.5", difference, "Divide by all words|expected \\['b'\\]"),
    ("22.5", only_inside, "A word that is only outside"),
    ("22.5", with_counts, "got \\[\\('train', 20\\)\\]"),
    ("22.6", without_ends, "the last row is the start"),
    ("22.6", one_long_walk, "across the border"),
    ("22.6", turned, "transposed"),
    ("22.6", start_first, "start and end first"),
    ("22.6", with_empty, "not even from start to end"),
    ("22.6", of_seen_clusters, "never occur"),
    ("22.6", as_shares, "0.5"),
    ("22.7", conditional, "got 0.0"),
    ("22.7", lambda table: right(table.T), "That is what completeness measures"),
    ("22.7", with_zeros, "0 log 0"),
    ("22.7", unweighted, "Weight each cluster"),
    ("22.7", never_one_act, "do not divide|ZeroDivisionError"),
    ("22.7", purity, "homogeneity is 0"),
]
