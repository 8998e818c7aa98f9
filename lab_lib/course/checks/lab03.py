"""Checks of lab 03: logit filters, left padding, seeds of replies, the largest batch, contrastive search."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lab_lib.course.checks.core import (
    Exercise,
    Wrong,
    brief,
    call,
    close,
    drawn,
    equal,
    floats,
    near,
    plain,
    refuses,
    same,
)
from lab_lib.course.checks.lab03_shows import SHOWS as SHOWS

LOGITS = np.array([2.0, -1.0, 0.5, 3.0, 0.0])
INF = np.inf


def _unharmed(answer: Any, logits: np.ndarray, *rest: Any, given: str) -> np.ndarray:
    """Call a filter; raise Wrong when it alters its argument or returns an array of another shape."""
    kept = logits.copy()
    got = call(answer, logits, *rest, given=given)
    if not np.array_equal(kept, logits):
        raise Wrong(f"for {given}: your function altered its argument; return a new array")
    form = f"an array of shape {kept.shape}"
    filtered = floats(got, given=given, form=form)
    if filtered.shape != kept.shape:
        raise Wrong(f"for {given}: got {brief(got)}, expected {form}")
    return filtered


def softmax(answer: Any) -> None:
    close(call(answer, np.zeros(2), given="[0, 0]"), [0.5, 0.5], given="[0, 0]", tolerance=1e-9)
    one = np.exp(LOGITS) / np.exp(LOGITS).sum()
    close(call(answer, LOGITS, given=brief(LOGITS)), one, given=brief(LOGITS), tolerance=1e-9)
    given = "[1, 0] at temperature 0.5"
    got = call(answer, np.array([1.0, 0.0]), 0.5, given=given)
    flat, unchanged = 1 / (1 + math.exp(-0.5)), 1 / (1 + math.exp(-1))
    if near(got, [flat, 1 - flat]):
        raise Wrong(f"for {given}: got {brief(got)}, which is flatter than at 1; logits are divided by the temperature")
    if near(got, [unchanged, 1 - unchanged]):
        raise Wrong(f"for {given}: got {brief(got)}, the same as at 1; the temperature must come before exp")
    close(got, [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(2))], given=given, tolerance=1e-9)
    with np.errstate(all="ignore"):
        huge = call(answer, np.array([1000.0, 999.0, -INF]), given="[1000, 999, -inf]")
    if not np.all(np.isfinite(floats(huge, given="[1000, 999, -inf]", form="three probabilities"))):
        raise Wrong(f"for [1000, 999, -inf]: got {brief(huge)}: exp(1000) overflows; subtracting the same number "
                    "from every logit does not change the ratios")  # fmt: skip
    close(huge, [1 / (1 + math.exp(-1)), 1 / (1 + math.e), 0], given="[1000, 999, -inf]", tolerance=1e-9)
    more = drawn(1).normal(size=7).round(2)
    odds = np.exp(more / 0.8 - (more / 0.8).max())
    given = f"{brief(more)} at temperature 0.8"
    close(call(answer, more, 0.8, given=given), odds / odds.sum(), given=given, tolerance=1e-9)
    refuses(answer, LOGITS, 0.0, given="temperature 0")
    refuses(answer, LOGITS, -1.0, given="temperature -1")


def top_k(answer: Any) -> None:
    cases = [
        ([3, 1, 2], 2, [3, -INF, 2], ""),
        ([1, 5, 3], 1, [-INF, 5, -INF], ""),
        ([4, 2, 2, 1], 2, [4, 2, 2, -INF], "Tokens that tie with the k-th stay"),
        ([1, 2], 50, [1, 2], "A k above the size of the vocabulary keeps all tokens"),
        ([2, -INF, -INF], 2, [2, -INF, -INF], "Tokens that were removed before stay removed"),
    ]  # fmt: skip
    more = drawn(2).permutation(9)
    cases.append((more.tolist(), 4, [float(one) if one > 4 else -INF for one in more], ""))
    for values, k, expected, why in cases:
        given = f"{values} and k={k}"
        got = _unharmed(answer, np.array(values, dtype=float), k, given=given)
        if np.any((got == 0) & np.isneginf(np.array(expected))):
            raise Wrong(f"for {given}: got {brief(got)}; a logit of 0 is not a probability of 0, -inf is")
        equal(got, np.array(expected, dtype=float), given=given, why=why)
    refuses(answer, LOGITS, 0, given="k=0")


def top_p(answer: Any) -> None:
    p = np.array([0.2, 0.5, 0.3])
    given = "the logits of probabilities [0.2, 0.5, 0.3] and p=0.7"
    got = np.isfinite(_unharmed(answer, np.log(p), 0.7, given=given))
    if got.tolist() == [False, True, False]:
        raise Wrong(f"for {given}: only 0.5 stays; the token that crosses p stays too, 0.5 alone is less than 0.7")
    equal(got.tolist(), [False, True, True], given=f"{given}, which stay")
    given = "the logits of probabilities [0.05, 0.9, 0.05] and p=0.5"
    got = np.isfinite(_unharmed(answer, np.log([0.05, 0.9, 0.05]), 0.5, given=given))
    if not got.any():
        raise Wrong(f"for {given}: nothing stays; the likeliest token always does")
    equal(got.tolist(), [False, True, False], given=f"{given}, which stay")
    shifted = np.log(p) + 7
    given = "logits [5.39, 6.31, 5.80], the same probabilities, and p=0.7"
    got = _unharmed(answer, shifted, 0.7, given=given)
    if not np.allclose(got[1:], shifted[1:]):
        raise Wrong(f"for {given}: got {brief(got)}; a token that stays keeps its logit; logits are not probabilities")
    equal(np.isfinite(got).tolist(), [False, True, True], given=f"{given}, which stay")
    everything = _unharmed(answer, LOGITS, 1.0, given="p=1")
    equal(everything, LOGITS, given=f"{brief(LOGITS)} and p=1", why="p=1 keeps every token")
    got = _unharmed(answer, np.array([0.0, -INF, 0.0]), 0.9, given="[0, -inf, 0] and p=0.9")
    equal(got, np.array([0.0, -INF, 0.0]), given="[0, -inf, 0] and p=0.9", why="Removed tokens stay removed")
    refuses(answer, LOGITS, 0.0, given="p=0")
    refuses(answer, LOGITS, 1.5, given="p=1.5")


def min_p(answer: Any) -> None:
    p = np.array([0.6, 0.25, 0.1, 0.05])
    for shift in (0.0, 5.0, -5.0):  # the same probabilities from other logits
        logits = np.log(p) + shift
        given = f"the logits {brief(logits.round(2))} (probabilities {brief(p)}) and share=0.3"
        got = np.isfinite(_unharmed(answer, logits, 0.3, given=given)).tolist()
        if got == [True, False, False, False]:
            raise Wrong(f"for {given}: 0.25 was removed; compare with share x the largest probability, 0.18, not share")
        equal(
            got, [True, True, False, False], given=f"{given}, which stay", why="A shift of all logits changes nothing"
        )
    given = "[1, 1, -inf] and share=1"
    got = _unharmed(answer, np.array([1.0, 1.0, -INF]), 1.0, given=given)
    equal(got, np.array([1.0, 1.0, -INF]), given=given, why="The comparison is >=: a tie with the likeliest stays")


def chain(answer: Any) -> None:
    p = np.array([0.4, 0.3, 0.2, 0.1])
    logits = np.log(p)
    close(call(answer, logits, given="neutral values"), p, given="neutral values", tolerance=1e-9)
    given = f"probabilities {brief(p)} with k=3, p=0.75"
    got = call(answer, logits, given=given, k=3, p=0.75)
    if near(got, [4 / 9, 3 / 9, 2 / 9, 0], 1e-6):
        raise Wrong(f"for {given}: got {brief(got)}; top-p should see what top-k left, renormalised: 0.44, 0.33, 0.22")
    total = floats(got, given=given, form="four probabilities").sum()
    if abs(total - 1) > 1e-6:
        raise Wrong(f"for {given}: got {brief(got)}, which add up to {total:.2f}; renormalise what is left")
    close(got, [4 / 7, 3 / 7, 0, 0], given=given, tolerance=1e-6)
    given = f"probabilities {brief(p)} with temperature=0.5, p=0.75"
    sharp = p**2 / (p**2).sum()  # 0.53, 0.30, ...
    got = call(answer, logits, given=given, temperature=0.5, p=0.75)
    if np.count_nonzero(floats(got, given=given, form="four probabilities")) == 3:
        raise Wrong(f"for {given}: three tokens stay; top-p should measure after the temperature, not before")
    close(got, [*(sharp[:2] / sharp[:2].sum()), 0, 0], given=given, tolerance=1e-6)
    given = f"probabilities {brief(p)} with share=0.7"
    close(call(answer, logits, given=given, share=0.7), [4 / 7, 3 / 7, 0, 0], given=given, tolerance=1e-6)


def left_pad(answer: Any) -> None:
    rows = [[5, 6, 7], [8], [0, 9]]
    given = "rows [[5, 6, 7], [8], [0, 9]] and pad=0"
    got = call(answer, [list(row) for row in rows], 0, given=given)
    if not isinstance(got, tuple | list) or len(got) != 3:
        raise Wrong(f"for {given}: got {brief(got)}, expected three arrays (ids, mask, positions)")
    ids, mask, positions = (np.asarray(plain(part)) for part in got)
    if ids.shape == (3, 3) and ids[1].tolist() == [8, 0, 0]:
        raise Wrong(f"for {given}: ids are {brief(ids)}, padded on the right; a reply would follow padding")
    equal(ids, np.array([[5, 6, 7], [0, 0, 8], [0, 0, 9]]), given=f"{given}, ids")
    if mask.tolist() == [[1, 1, 1], [0, 0, 1], [0, 0, 1]]:
        raise Wrong(f"for {given}: the mask is 0 on the real token 0 of the last row; tell padding by its position")
    equal(
        mask.astype(int) if mask.dtype == bool else mask,
        np.array([[1, 1, 1], [0, 0, 1], [0, 1, 1]]),
        given=f"{given}, mask",
    )
    if positions.tolist() == [[0, 1, 2]] * 3:
        raise Wrong(f"for {given}: positions are those of the columns; count from each row's first real token")
    equal(positions, np.array([[0, 1, 2], [0, 0, 0], [0, 0, 1]]), given=f"{given}, positions")
    ids, mask, _ = (np.asarray(plain(part)) for part in call(answer, [[1, 2], [3, 4]], 0, given="rows of equal length"))
    mask = mask.astype(int) if mask.dtype == bool else mask
    equal(mask, np.ones((2, 2), int), given="rows [[1, 2], [3, 4]], mask")
    equal(ids, np.array([[1, 2], [3, 4]]), given="rows [[1, 2], [3, 4]], ids")


def reply_seed(answer: Any) -> None:
    code = getattr(answer, "__code__", None)
    if code is not None and "hash" in code.co_names:
        raise Wrong("your function calls hash(), which gives a different number in every process; use hashlib")
    first = call(answer, 0, "town1", 12, given='0, "town1", 12')
    if not isinstance(first, int | np.integer) or not 0 <= int(first) < 2**63:
        raise Wrong(f'for 0, "town1", 12: got {brief(first)}, expected an integer from 0 to 2**63 - 1')
    equal(call(answer, 0, "town1", 12, given="the same again"), first, given='0, "town1", 12 a second time')
    others = [
        ((1, "town1", 12), "the run's seed"),
        ((0, "town2", 12), "the dialogue"),
        ((0, "town1", 13), "the turn"),
        ((0, "town11", 2), "where the dialogue's id ends and the turn begins"),
    ]  # fmt: skip
    for given, what in others:
        if call(answer, *given, given=brief(given)) == first:
            raise Wrong(f"{brief(given)} and (0, 'town1', 12) get the same seed; it should depend on {what}")
    if call(answer, 1, "1a", 0, given="1, '1a', 0") == call(answer, 11, "a", 0, given="11, 'a', 0"):
        raise Wrong("(1, '1a', 0) and (11, 'a', 0) get the same seed; put a separator between run seed and id")
    many = {call(answer, seed, "a", turn, given=f"{seed}, 'a', {turn}") for seed in range(20) for turn in range(20)}
    if len(many) < 400:
        raise Wrong(
            f"20 seeds x 20 turns give {len(many)} different seeds; sums and products collide, a digest does not"
        )


class _Stop(BaseException):
    """Leaves a student's loop at once; not an Exception, so that no `except Exception` of theirs swallows it."""


class _Memory:
    """A machine on which batches up to `truth` fit, and which does not survive a batch that is much too large."""

    def __init__(self, truth: int, given: str):
        self.truth, self.given, self.good, self.tries = truth, given, 0, 0

    def fits(self, size: int) -> bool:
        self.tries += 1
        if size < 1:
            raise _Stop(f"for {self.given}: fits({size}) was called; the smallest batch is 1")
        if size > max(1, 2 * self.good):
            raise _Stop(f"for {self.given}: fits({size}) was tried when {self.good} was the largest that had fitted: "
                        "more than twice as much kills the kernel")  # fmt: skip
        if self.tries > 30:
            raise _Stop(f"for {self.given}: more than 30 tries; double the size, then halve the gap")
        self.good = max(self.good, size) if size <= self.truth else self.good
        return size <= self.truth


def largest_batch(answer: Any) -> None:
    for truth, most in ((0, 10), (1, 10), (7, 7), (5, 100), (1000, 5000), (64, 64), (100, 64), (3, 1)):
        memory = _Memory(truth, f"most={most} where sizes up to {truth} fit")
        try:
            got = call(answer, memory.fits, most, given=memory.given)
        except _Stop as stop:
            raise Wrong(str(stop)) from None
        equal(got, min(truth, most), given=memory.given)


def contrastive(answer: Any) -> None:
    p = np.array([0.6, 0.3, 0.1])
    seen = np.array([[1.0, 0.0], [0.0, 4.0]])
    states = np.array([[9.0, 0.9], [-2.0, 1.0], [-0.1, -0.1]])  # close to the first, between, away from both
    given = "three candidates with alpha=0"
    equal(call(answer, p, states, seen, 0.0, given=given), 0, given=given, why="Alpha 0 is greedy search")
    given = "three candidates with alpha=1"
    got = call(answer, p, states, seen, 1.0, given=given)
    if same(got, 0):
        raise Wrong(f"for {given}: got 0, whose state is most similar to an earlier one; the penalty is subtracted")
    equal(got, 2, given=given, why="Alpha 1 takes the state that is least similar to the earlier ones")
    _lengths(answer)
    _largest(answer)
    got = call(
        answer, np.array([0.5, 0.5]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0]]), 0.5, given="a tie"
    )
    equal(got, 1, given="two candidates of equal probability, the first repeats the state before", why="Prefer the new")
    refuses(answer, p, states, seen, 1.5, given="alpha=1.5")
    refuses(answer, p, states, seen, -0.1, given="alpha=-0.1")


def _lengths(answer: Any) -> None:
    """Check candidates for which dot products and cosines choose differently."""
    states, seen = np.array([[0.1, 0.0], [5.0, 5.0]]), np.array([[1.0, 0.0]])
    given = "states [0.1, 0] and [5, 5], one state [1, 0] before, p=[0.5, 0.5], alpha=0.5"
    got = call(answer, np.array([0.5, 0.5]), states, seen, 0.5, given=given)
    if same(got, 0):
        raise Wrong(f"for {given}: got 0, whose cosine is 1 but whose dot product is small; scale states to length 1")
    equal(got, 1, given=given)


def _largest(answer: Any) -> None:
    """Check candidates for which the mean and the largest cosine choose differently."""
    turn = lambda degrees: [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]  # noqa: E731
    states, seen = np.array([turn(0), turn(100)]), np.array([turn(0), turn(180), turn(180), turn(50)])
    given = "a candidate that repeats one of four states, and one that is near to one of them; p=[0.5, 0.5], alpha=0.5"
    got = call(answer, np.array([0.5, 0.5]), states, seen, 0.5, given=given)
    if same(got, 0):
        raise Wrong(f"for {given}: got 0, the repetition; the penalty is the largest cosine, not the mean")
    equal(got, 1, given=given)


CHECKS = {
    "03.1": Exercise("softmax with a temperature", softmax, "Divide first; then subtract the largest; then exp."),
    "03.2": Exercise("top-k", top_k, "Find the k-th largest value; np.where keeps values that are at least as large."),
    "03.3": Exercise(
        "top-p", top_p, "Sort the probabilities, and for each token compute the sum of the likelier ones before it."
    ),
    "03.4": Exercise("min-p", min_p, "p_i / p_max = exp(l_i - l_max); take the logarithm of both sides of p_i >= ..."),
    "03.5": Exercise("the chain", chain, "Each filter takes and returns logits; only the last line is a softmax."),
    "03.6": Exercise(
        "left padding", left_pad, "For each row: width - len(row) is where its real tokens begin, in all three arrays."
    ),
    "03.7": Exercise(
        "the seed of a reply", reply_seed, "Join the three with a separator; make a number of 8 bytes of the digest."
    ),
    "03.8": Exercise(
        "the largest batch", largest_batch, "Keep two numbers: the largest that fits, the smallest that does not."
    ),
    "03.9": Exercise(
        "one step of contrastive search", contrastive, "states @ seen.T of unit vectors holds the cosine of every pair."
    ),
}
