"""Checks of lab 02: BLEU, Inform and Success by hand, bootstrap intervals, paired comparisons."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from lab_lib.course.checks.core import Exercise, Wrong, brief, call, close, drawn, equal, near
from lab_lib.course.checks.lab02_shows import SHOWS as SHOWS
from lab_lib.course.reading import Reading


def matched(answer: Any) -> None:
    cases = [
        ("a b c", "a b c", 1, (3, 3), ""),
        ("the the the", "the cat", 1, (1, 3), "Each word of the reference can be matched once only: clip the counts"),
        ("the the cat", "the cat the", 1, (3, 3), "A word that the reference has twice can be matched twice"),
        ("the the cat", "the cat sat", 2, (1, 2), "A bigram is two neighbours, in their order"),
        ("b a", "a b", 2, (0, 1), "The order inside an n-gram counts"),
        ("a b a b", "a b a b", 3, (2, 2), "4 words have 2 trigrams"),
        ("hi", "hi there you", 2, (0, 0), "A text of one word has no bigrams"),
        ("a", "a b c d", 1, (1, 1), "The total counts the n-grams of the reply, not of the reference"),
    ]
    for reply, reference, n, expected, why in cases:
        given = f"reply {reply!r}, reference {reference!r}, n={n}"
        got = call(answer, reply, reference, n, given=given)
        equal(tuple(got) if isinstance(got, list | tuple) else got, expected, given=given, why=why)


def brevity_penalty(answer: Any) -> None:
    for c, r, why in (
        (10, 10, "Equal lengths are not penalised"),
        (12, 10, "Longer replies are neither penalised nor rewarded here: BLEU's precisions penalise them"),
        (5, 10, "The exponent is 1 - r/c: half as long gives exp(-1)"),
        (9, 10, "Replies that are a little shorter get a small penalty"),
        (0, 10, "Without any word the result is 0; do not divide by zero"),
    ):
        expected = float(np.exp(1 - r / c)) if 0 < c < r else float(c >= r)
        given = f"c={c}, r={r}" + ("" if c else " (replies without any word: 0)")
        close(call(answer, c, r, given=given), expected, given=given, tolerance=1e-9, why=why)


def bleu(answer: Any) -> None:
    import sacrebleu

    same = ("a b c d e", "a b c d e")
    cases: list[tuple[list[tuple[str, str]], str]] = [
        ([same], "A perfect reply scores 100"),
        ([("a b c d x f", "a b c d e f")], "The mean is geometric: the fourth root of the product"),
        ([same, ("a b c d", "a b c d x y z")],
         "The lengths of all pairs are added before the brevity penalty is computed"),
        ([same, ("q w e r t y u i o p", "a w e r t b c d f g")],
         "Add matched and total over all pairs, then divide; a mean over pairs gives a different number"),
        ([same, ("x y", "u v")], "A pair without a match lowers the sums; it does not make the corpus 0"),
        ([("a b x c d", "a b y c d")], "No trigram matches: the product is 0"),
        ([("a b", "a b")], "A reply of two words has no trigram: BLEU is 0; do not divide by zero"),
    ]  # fmt: skip
    for pairs, why in cases:
        replies, references = zip(*pairs, strict=True)
        expected = sacrebleu.corpus_bleu(list(replies), [list(references)], tokenize="none", smooth_method="none").score
        given = f"pairs={pairs}"
        got = call(answer, pairs, given=given)
        if expected and isinstance(got, float) and abs(100 * got - expected) < 1e-6:
            raise Wrong(f"for {given}: got {got}, a share; BLEU is given in points from 0 to 100")
        close(got, expected, given=given, tolerance=1e-6, why=why)


def row(domain: str, reply: str, found: str = "", booked: bool = False) -> Reading:
    """Return a reading; `found` names venues by one letter each."""
    return Reading(domain, reply, frozenset(found), booked)


def _set(value: Any) -> Any:
    """Return a collection of texts as a set, everything else as it is."""
    texts = isinstance(value, frozenset | list | tuple) and all(isinstance(item, str) for item in value)
    return set(value) if texts else value


def on_offer(answer: Any) -> None:
    cases = [
        ([row("hotel", "how about NAME ?", "ab")], "hotel", "ab", "The reply offers the venues that match the state"),
        ([row("hotel", "which area ?", "ab")], "hotel", "", "Without NAME nothing is offered"),
        ([row("hotel", "our name is on the list", "ab")], "hotel", "", "The placeholder is NAME in capitals"),
        ([row("hotel", "NAME", "ab"), row("restaurant", "NAME", "x")], "hotel", "ab",
         "Rows about another domain change nothing"),
        ([row("hotel", "NAME", "ab"), row("hotel", "NAME", "cd")], "hotel", "cd",
         "The user changed the constraints: the offer made last counts"),
        ([row("hotel", "NAME", "a"), row("hotel", "NAME", "abc")], "hotel", "a",
         "All venues on offer are still among those found, so they stay on offer"),
        ([row("hotel", "NAME", "abc"), row("hotel", "NAME", "a")], "hotel", "a",
         "b and c are no longer among those found, so the offer is replaced"),
        ([row("hotel", "NAME", "ab"), row("hotel", "it is booked", "c")], "hotel", "ab",
         "A reply without NAME leaves the offer as it is"),
        ([row("hotel", "NAME", ""), row("hotel", "NAME", "c")], "hotel", "c",
         "An offer without venues does not count: the next one does"),
    ]  # fmt: skip
    for readings, domain, expected, why in cases:
        given = f"domain={domain!r}, rows={[(r.domain, r.reply, sorted(r.found)) for r in readings]}"
        got = call(answer, readings, domain, given=given)
        equal(_set(got), set(expected), given=given, why=why)


def informs(answer: Any) -> None:
    for offered, wanted, why in (
        ("a", "ab", "One wanted venue is enough"),
        ("ab", "ab", "All offered venues are wanted"),
        ("abc", "ab", "c is on offer and is not wanted"),
        ("", "ab", "Without an offer the answer is False; the empty set is a subset of every set"),
        ("x", "ab", "The wrong venue"),
    ):
        given = f"offered={set(offered) or '{}'}, wanted={set(wanted)}".replace("set()", "{}")
        got = call(answer, set(offered), frozenset(wanted), given=f"offered={sorted(offered)}, wanted={sorted(wanted)}")
        if not isinstance(got, bool | np.bool_):
            raise Wrong(
                f"for offered={sorted(offered)}, wanted={sorted(wanted)}: got {brief(got)}, expected True or False"
            )
        expected = bool(offered) and set(offered) <= set(wanted)
        equal(bool(got), expected, given=given, why=why)


def told(answer: Any) -> None:
    cases = [
        ([row("hotel", "the phone is PHONE and the postcode POST")], {"PHONE", "POST"}, "A reply may tell two facts"),
        ([row("hotel", "what is your phone ?")], set(), "The word phone is not the placeholder PHONE"),
        ([row("taxi", "call PHONE"), row("hotel", "it is at ADDRESS")], {"ADDRESS"},
         "A fact counts in the domain of its row only"),
        ([row("hotel", "booked, REFERENCE", booked=True)], {"REFERENCE"}, "In a booked row the reference counts"),
        ([row("hotel", "booked, REFERENCE")], set(), "A reference without a booking does not count"),
        ([row("hotel", "PHONE , ref REFERENCE")], {"PHONE"}, "Without a booking the other facts of the reply count"),
        ([row("hotel", "PHONE"), row("hotel", "bye")], {"PHONE"}, "A fact that was told once stays told"),
        ([row("hotel", "NAME in the AREA")], set(), "NAME and AREA are not among FACTS"),
    ]  # fmt: skip
    for readings, expected, why in cases:
        given = f"domain='hotel', rows={[(r.domain, r.reply, 'booked' if r.booked else '') for r in readings]}"
        got = call(answer, readings, "hotel", given=given)
        equal(_set(got), expected, given=given, why=why)


def _ratio(sums: Any) -> float:
    return 100 * float(sums[0]) / float(sums[1])


def interval(answer: Any) -> None:
    one = np.array([[1, 1], [0, 1], [1, 1], [1, 2]])
    everything = np.array(list(product(range(4), repeat=4)))
    rng = drawn(5)
    long = np.stack([rng.integers(0, 9, 12), rng.integers(9, 40, 12)], axis=1)
    for counts, draws, name in (
        (one, np.array([[0, 0, 0, 0]] * 3), "three draws that all take dialogue 0 four times"),
        (one, everything, "4 dialogues and all 256 ways to draw them"),
        (long, rng.integers(12, size=(400, 12)), "12 dialogues of different length and 400 draws"),
    ):
        got = call(answer, counts, _ratio, draws, given=name)
        values = np.array([_ratio(counts[draw].sum(axis=0)) for draw in draws])
        traps = {
            "the 5th and 95th percentile, which hold 90 %": np.percentile(values, [5, 95]),
            "mean ± 1.96 standard deviations; take percentiles, which assume no normal distribution":
                values.mean() + np.array([-1.96, 1.96]) * values.std(),
            "smallest and largest value; two unlucky draws would decide": np.array([values.min(), values.max()]),
            "scores of single dialogues; sum the rows of a draw first, then score the sum": np.percentile(
                [np.mean([_ratio(counts[i]) for i in draw]) for draw in draws], [2.5, 97.5]),
            "whole draws instead of dialogues: the percentiles of 0 to 1 are written 2.5 and 97.5 in numpy":
                np.percentile(values, [0.025, 0.975]),
        }  # fmt: skip
        _pair_or_trap(got, np.percentile(values, [2.5, 97.5]), traps, name)


def paired(answer: Any) -> None:
    rng = drawn(7)
    hits = rng.integers(0, 9, 20)
    size = hits + rng.integers(1, 9, 20)
    first, second = np.stack([hits, size], axis=1), np.stack([np.maximum(hits - 1, 0), size], axis=1)
    draws = rng.integers(20, size=(300, 20))
    for ours, theirs, name in (
        (first, second, "20 dialogues, first a little better in most"),
        (second, first, "the same with the two systems swapped"),
        (first, first, "a system compared with itself"),
    ):
        got = call(answer, ours, theirs, _ratio, draws, given=name)
        one = np.array([_ratio(ours[draw].sum(axis=0)) for draw in draws])
        two = np.array([_ratio(theirs[draw].sum(axis=0)) for draw in draws])
        whole = _ratio(ours.sum(axis=0)) - _ratio(theirs.sum(axis=0))
        a, b = (np.percentile(values, [2.5, 97.5]) for values in (one, two))
        traps = {
            "second minus first": np.array([-whole, *np.percentile(two - one, [2.5, 97.5])]),
            "the intervals' ends subtracted; take the difference in each resample": np.array([whole, *(a - b)]),
            "separate draws for the second system; both need the same dialogues in a resample": np.array(
                [whole, *np.percentile(one - two[::-1], [2.5, 97.5])]),
            "the mean of the resamples; the difference itself is that of all dialogues": np.array(
                [np.mean(one - two), *np.percentile(one - two, [2.5, 97.5])]),
        }  # fmt: skip
        _pair_or_trap(got, np.array([whole, *np.percentile(one - two, [2.5, 97.5])]), traps, name)


def _pair_or_trap(got: Any, expected: np.ndarray, traps: dict[str, np.ndarray], given: str) -> None:
    """Raise Wrong unless `got` is as expected; name the trap if `got` is its value."""
    for trap, value in traps.items():
        if near(got, value) and not near(value, expected):
            raise Wrong(f"for {given}: got {_brief(value)}, expected {_brief(expected)}. These are {trap}")
    close(got, expected, given=given, tolerance=1e-6)


def _brief(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.2f}" for value in values) + ")"


CHECKS = {
    "02.1": Exercise(
        "clipped matches", matched, "collections.Counter counts, and `&` of two Counters keeps the smaller count."
    ),
    "02.2": Exercise("brevity penalty", brevity_penalty, "There are three cases; begin with c = 0."),
    "02.3": Exercise(
        "BLEU of a corpus",
        bleu,
        "For each n add the pairs of numbers that `matched` gives, and divide once, at the end.",
    ),
    "02.4": Exercise(
        "what is on offer",
        on_offer,
        "Keep one set. Test three things in each row: its domain, NAME, and offered <= found.",
    ),
    "02.5": Exercise("Inform", informs, "`<=` between sets tests for a subset. What is the empty set a subset of?"),
    "02.6": Exercise("facts told", told, "Two loops, over rows of the domain and FACTS; one exception for REFERENCE."),
    "02.7": Exercise(
        "an interval by bootstrap",
        interval,
        "counts[draw] has the rows of the drawn dialogues, with repetitions; np.percentile does the rest.",
    ),
    "02.8": Exercise(
        "a paired comparison", paired, "Inside the loop over draws, score both systems on the same draw and subtract."
    ),
}
