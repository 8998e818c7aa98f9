"""Wrong answers to the exercises of lab 07, each with what its message must say."""

from __future__ import annotations

import math

from lab_lib.course.checks.lab07 import fused, recall, scores


def with_factor(query, texts, k1=1.5, b=0.75):
    return [(k1 + 1) * value for value in scores(query, texts, k1, b)]


def without_length(query, texts, k1=1.5, b=0.75):
    return scores(query, texts, k1, 0.0)


def raw_counts(query, texts, k1=1.5, b=0.75):
    weights = scores(query, texts, k1, b)
    return [value * max(1, *(text.count(word) for word in query)) for value, text in zip(weights, texts, strict=True)]


def words_again(query, texts, k1=1.5, b=0.75):
    return [sum(scores([word], texts, k1, b)[place] for word in query) for place in range(len(texts))]


def fixed(query, texts, k1=1.5, b=0.75):
    return scores(query, texts)


def below_nothing(query, texts, k1=1.5, b=0.75):
    found = scores(query, texts, k1, b)
    everywhere = len(texts) > 1 and all(all(word in text for text in texts) for word in query)
    return [-value for value in found] if everywhere else found


def by_name(rankings, c=60):
    return sorted(fused(rankings, c), key=lambda text: (-_points(rankings, c)[text], text))


def _points(rankings, c):
    points = {}
    for ranking in rankings:
        for rank, text in enumerate(ranking, 1):
            points[text] = points.get(text, 0) + 1 / (c + rank)
    return points


def from_zero(rankings, c=60):
    points = {}
    for ranking in rankings:
        for rank, text in enumerate(ranking):
            points[text] = points.get(text, 0) + (1 / (c + rank) if c + rank else math.inf)
    return sorted(points, key=lambda text: -points[text])


def best_rank(rankings, c=60):
    ranks = {}
    for ranking in rankings:
        for rank, text in enumerate(ranking):
            ranks[text] = min(ranks.get(text, rank), rank)
    return sorted(ranks, key=lambda text: ranks[text])


def core(text):
    return " ".join(text.lower().split()).rstrip(".!?, ")


def as_written(train, test):
    return [place for place, text in enumerate(test) if text in train]


def without_marks(train, test):
    def bare(text):
        return core("".join(sign for sign in text if sign not in ".!?,"))

    known = {bare(text) for text in train}
    return [place for place, text in enumerate(test) if bare(text) in known]


def texts_themselves(train, test):
    known = {core(text) for text in train}
    return [text for text in test if core(text) in known]


def parts(train, test):
    return [place for place, text in enumerate(test) if any(core(one) in core(text) for one in train)]


def marks_alone(train, test):
    known = {text.lower().strip().rstrip(".!?, ") for text in train}
    return [place for place, text in enumerate(test) if text.lower().strip().rstrip(".!?, ") in known]


def with_itself(ranked, owners, gold, k, own):
    return recall(ranked, owners, gold, k, [None] * len(own))


def cut_first(ranked, owners, gold, k, own):
    return recall([places[:k] for places in ranked], owners, gold, k, own)


def in_per_cent(ranked, owners, gold, k, own):
    return 100 * recall(ranked, owners, gold, k, own)


def one_more(ranked, owners, gold, k, own):
    return recall(ranked, owners, gold, k + 1, own)


def one_less(ranked, owners, gold, k, own):
    return recall(ranked, owners, gold, 1, own)


def middle(likeness, asks):
    return (max(likeness) + min(likeness)) / 2


def counted(likeness, asks):
    def mistakes(cut):
        return sum((value >= cut) != kind for value, kind in zip(likeness, asks, strict=True))

    return min([*likeness, max(likeness) + 1], key=mistakes)


def lowest(likeness, asks):
    return min(value for value, kind in zip(likeness, asks, strict=True) if kind)


WRONG = [
    ("07.1", with_factor, "has a factor k1 \\+ 1"),
    ("07.1", without_length, "longer than the mean has a lower score"),
    ("07.1", raw_counts, "A second occurrence counts less"),
    ("07.1", words_again, "Each distinct word of the query counts once"),
    ("07.1", below_nothing, "not negatively"),
    ("07.1", fixed, "k1 and b are parameters"),
    ("07.2", by_name, "not by the alphabet"),
    ("07.2", from_zero, "With c = 0 rank 1 counts 1"),
    ("07.2", best_rank, "has the points of both"),
    ("07.2", _points, "expected a list of texts"),
    ("07.3", as_written, "Case does not count"),
    ("07.3", without_marks, "Marks inside count"),
    ("07.3", texts_themselves, "the utterances themselves"),
    ("07.3", parts, "A part of an utterance"),
    ("07.3", marks_alone, "White space does not count"),
    ("07.4", with_itself, "with the utterance itself in the index"),
    ("07.4", cut_first, "taken before the utterance was removed"),
    ("07.4", in_per_cent, "in per cent; expected a share"),
    ("07.4", one_more, "At k = 1 only the first one counts"),
    ("07.4", one_less, "At k = 2 the second one counts too"),
    ("07.5", middle, "The nearer one does not ask"),
    ("07.5", counted, "not numbers: 3 of 8"),
    ("07.5", lowest, "the only other"),
    ("07.5", lambda likeness, asks: "0.5", "one number, a threshold"),
]
