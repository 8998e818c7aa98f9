"""Wrong answers to the exercises of lab 02, each with what its message must say."""

from __future__ import annotations

import math

import numpy as np


def grams(text, n):
    words = text.split()
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def unclipped(reply, reference, n):
    ours = grams(reply, n)
    return sum(gram in grams(reference, n) for gram in ours), len(ours)


def as_sets(reply, reference, n):
    ours = set(grams(reply, n))
    return len(ours & set(grams(reference, n))), len(ours)


def any_order(reply, reference, n):
    theirs = [sorted(gram) for gram in grams(reference, n)]
    hits = 0
    for gram in map(sorted, grams(reply, n)):
        if gram in theirs:
            theirs.remove(gram)
            hits += 1
    return hits, len(grams(reply, n))


def clipped(reply, reference, n):
    theirs, hits = grams(reference, n), 0
    for gram in grams(reply, n):
        if gram in theirs:
            theirs.remove(gram)
            hits += 1
    return hits, len(grams(reply, n))


def of_reference(reply, reference, n):
    return clipped(reply, reference, n)[0], len(grams(reference, n))


def penalty(c, r):
    return 1.0 if c >= r else math.exp(1 - r / c) if c else 0.0


def precision(pairs, n):
    counts = [clipped(*pair, n) for pair in pairs]
    total = sum(total for _, total in counts)
    return sum(hits for hits, _ in counts) / total if total else 0.0


def lengths(pairs):
    return (sum(len(pair[side].split()) for pair in pairs) for side in (0, 1))


def one(pair):
    product = math.prod(precision([pair], n) for n in (1, 2, 3, 4))
    return 100 * penalty(*lengths([pair])) * product**0.25


def arithmetic(pairs):
    return 100 * penalty(*lengths(pairs)) * sum(precision(pairs, n) for n in (1, 2, 3, 4)) / 4


def no_penalty(pairs):
    return 100 * math.prod(precision(pairs, n) for n in (1, 2, 3, 4)) ** 0.25


def by_logarithms(pairs):
    mean = sum(math.log(precision(pairs, n)) for n in (1, 2, 3, 4)) / 4
    return 100 * penalty(*lengths(pairs)) * math.exp(mean)


def every_offer(readings, domain):
    return set().union(*(r.found for r in readings if r.domain == domain and "NAME" in r.reply))


def last_offer(readings, domain):
    offers = [r.found for r in readings if r.domain == domain and "NAME" in r.reply]
    return set(offers[-1]) if offers else set()


def first_offer(readings, domain):
    return next((set(r.found) for r in readings if r.domain == domain and "NAME" in r.reply), set())


def any_domain(readings, domain):
    return last_offer([r.__class__(domain, r.reply, r.found, r.booked) for r in readings], domain)


def last_state(readings, domain):
    return set([r.found for r in readings if r.domain == domain][-1])


def any_case(readings, domain):
    offers = [r.found for r in readings if r.domain == domain and "name" in r.reply.lower()]
    return set(offers[-1]) if offers else set()


def without_booking_rule(readings, domain):
    facts = ("PHONE", "ADDRESS", "POST", "REFERENCE", "TRAINID")
    return {fact for r in readings if r.domain == domain for fact in facts if fact in r.reply}


def everywhere(readings, domain):
    facts = ("PHONE", "ADDRESS", "POST", "TRAINID")
    return {fact for r in readings for fact in facts if fact in r.reply}


def lower_case(readings, domain):
    facts = ("PHONE", "ADDRESS", "POST", "REFERENCE", "TRAINID")
    return {fact for r in readings if r.domain == domain for fact in facts if fact.lower() in r.reply.lower()}


def booked_rows_only(readings, domain):
    return without_booking_rule([r for r in readings if "REFERENCE" not in r.reply or r.booked], domain)


def last_row_only(readings, domain):
    (row,) = readings[-1:]
    found = without_booking_rule([row], domain)
    return found if row.booked else found - {"REFERENCE"}


def percentiles(low, high):
    def interval(counts, score, draws):
        return tuple(np.percentile([score(counts[draw].sum(axis=0)) for draw in draws], [low, high]))

    return interval


def normal(counts, score, draws):
    values = np.array([score(counts[draw].sum(axis=0)) for draw in draws])
    return values.mean() - 1.96 * values.std(), values.mean() + 1.96 * values.std()


def mean_of_scores(counts, score, draws):
    return tuple(np.percentile([np.mean([score(counts[i]) for i in draw]) for draw in draws], [2.5, 97.5]))


def ends(first, second, score, draws):
    a, b = (percentiles(2.5, 97.5)(counts, score, draws) for counts in (first, second))
    return score(first.sum(axis=0)) - score(second.sum(axis=0)), a[0] - b[0], a[1] - b[1]


def pair_of(first, second, score, draws, theirs=None, middle=None):
    differences = [
        score(first[draw].sum(axis=0)) - score(second[other].sum(axis=0))
        for draw, other in zip(draws, draws if theirs is None else theirs, strict=True)
    ]
    whole = score(first.sum(axis=0)) - score(second.sum(axis=0)) if middle is None else middle(differences)
    return whole, *np.percentile(differences, [2.5, 97.5])


WRONG = [
    ("02.1", unclipped, "clip the counts"),
    ("02.1", as_sets, "got \\(1, 1\\)"),
    ("02.1", any_order, "order inside"),
    ("02.1", of_reference, "got \\(1, 2\\)"),
    ("02.1", lambda reply, reference, n: clipped(reply, reference, 1), "two neighbours"),
    ("02.2", lambda c, r: math.exp(1 - r / c), "nor rewarded"),
    ("02.2", lambda c, r: 1.0 if c >= r else math.exp(1 - c / r), "exponent is 1 - r/c"),
    ("02.2", lambda c, r: 1.0 if c >= r else math.exp(1 - r / c), "ZeroDivisionError"),
    ("02.2", lambda c, r: 1.0 if c > r else c / r, "got 0.5"),
    ("02.3", arithmetic, "fourth root"),
    ("02.3", lambda pairs: sum(map(one, pairs)) / len(pairs), "pairs=.*a b c d x y z"),
    ("02.3", no_penalty, "lengths of all pairs"),
    ("02.3", by_logarithms, "ValueError"),
    ("02.3", lambda pairs: one(pairs[0]) / 100, "a share"),
    ("02.4", every_offer, "the offer made last counts"),
    ("02.4", last_offer, "so they stay on offer"),
    ("02.4", first_offer, "expected {'c', 'd'}|expected {'d', 'c'}"),
    ("02.4", any_domain, "another domain change nothing"),
    ("02.4", last_state, "Without NAME nothing"),
    ("02.4", any_case, "NAME in capitals"),
    ("02.5", lambda offered, wanted: offered <= wanted, "empty set"),
    ("02.5", lambda offered, wanted: bool(offered & wanted), "c is on offer"),
    ("02.5", lambda offered, wanted: offered == wanted, "One wanted venue"),
    ("02.5", lambda offered, wanted: offered & wanted, "expected True or False"),
    ("02.6", without_booking_rule, "without a booking does not"),
    ("02.6", everywhere, "domain of its row only"),
    ("02.6", lower_case, "not the placeholder"),
    ("02.6", booked_rows_only, "the other facts"),
    ("02.6", last_row_only, "stays told"),
    ("02.7", percentiles(5, 95), "which hold 90 %"),
    ("02.7", normal, "no normal distribution"),
    ("02.7", percentiles(0, 100), "unlucky draws"),
    ("02.7", percentiles(0.025, 0.975), "2.5 and 97.5"),
    ("02.7", mean_of_scores, "single dialogues"),
    ("02.7", lambda counts, score, draws: score(counts.sum(axis=0)), "shape"),
    ("02.8", ends, "ends subtracted"),
    ("02.8", lambda first, second, score, draws: pair_of(second, first, score, draws), "second minus first"),
    ("02.8", lambda f, s, score, draws: pair_of(f, s, score, draws, theirs=draws[::-1]), "separate draws"),
    ("02.8", lambda f, s, score, draws: pair_of(f, s, score, draws, middle=np.mean), "mean of the resamples"),
]
