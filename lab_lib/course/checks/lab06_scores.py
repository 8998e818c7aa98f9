"""Checks of the scores of lab 06: shares of names, false triggers against misses, AUROC."""

from __future__ import annotations

import math
from typing import Any

from lab_lib.course.checks.core import Wrong, brief, call, close, equal, near, refuse_traps, refuses
from lab_lib.evaluation.none_scores import shares as right_shares

LOGS = [
    ({"none": math.log(0.1), "weather": math.log(0.3)}, "Divide by the sum over the names: 0.3 of 0.4"),
    ({"none": -5000.0, "weather": -5001.0, "news": -5002.0}, "exp(-5000) is 0: subtract the largest first"),
    ({"none": 0.0, "weather": -2000.0}, "A share may be almost 0"),
    ({"none": -1.0}, "A single name has the share 1"),
]


def shares(answer: Any) -> None:
    for given_logs, why in LOGS:
        given = f"log_probs={given_logs}"
        got = call(answer, dict(given_logs), given=given)
        expected = right_shares(given_logs)
        if not isinstance(got, dict):
            raise Wrong(f"for {given}: got {brief(got)}, expected a dict with a share for each name")
        equal(sorted(map(str, got)), sorted(expected), given=f"the names, for {given}")
        found = [got[name] for name in expected]
        if near(found, [100 * value for value in expected.values()]):
            raise Wrong(f"for {given}: got {brief(got)}, which sums to 100; expected shares, which sum to 1")
        close(found, list(expected.values()), given=given, tolerance=1e-9, why=why)


# Probabilities of none, and whether nothing was asked.
NONES = [0.9, 0.6, 0.4, 0.7, 0.2, 0.1, 0.4]
NOTHING = [True, True, True, False, False, False, False]
ONE_KIND = [([0.5], [True]), ([0.5, 0.1], [False, False]), ([], [])]


def curve(answer: Any) -> None:
    cases = [
        (NONES, NOTHING, [0.5], "Each rate is a share of its own kind of request"),
        (NONES, NOTHING, [0.0, 1.1], "At threshold 0 nothing is ever called, above 1 always something"),
        (NONES, NOTHING, [0.4], "A probability of exactly the threshold calls nothing"),
        (NONES, NOTHING, [0.95, 0.65, 0.3], "One pair for each threshold, in their order"),
        ([0.8, 0.3], [False, True], [0.5], "The order of the requests does not matter"),
    ]
    for nones, nothing, thresholds, why in cases:
        given = f"nones={nones}, nothing={nothing}, thresholds={thresholds}"
        got = call(answer, list(nones), list(nothing), list(thresholds), given=given)
        expected = [(_rate(nones, nothing, True, t), _rate(nones, nothing, False, t)) for t in thresholds]
        if isinstance(got, list) and got == [(b, a) for a, b in expected] and got != expected:
            raise Wrong(f"for {given}: got {brief(got)}; false triggers come first, misses second")
        if near(got, [(1 - one, 1 - other) for one, other in expected]):
            raise Wrong(f"for {given}: got {brief(got)}, the shares that were right; expected those of errors")
        close(got, expected, given=given, tolerance=1e-9, why=why)
    for nones, nothing in ONE_KIND:
        refuses(answer, nones, nothing, [0.5], given=f"nones={nones}, nothing={nothing} (a kind is missing)")


def _rate(nones: list[float], nothing: list[bool], kind: bool, threshold: float) -> float:
    """Return the share of false triggers among requests for nothing, or of misses among the others."""
    mine = [value for value, asked in zip(nones, nothing, strict=True) if asked is kind]
    return sum((value < threshold) is kind for value in mine) / len(mine)


def area(answer: Any) -> None:
    cases = [
        ([0.9, 0.1], [True, False], "All pairs are right"),
        ([0.1, 0.9], [True, False], "All pairs are wrong"),
        ([0.5, 0.5], [True, False], "A tie counts half"),
        (NONES, NOTHING, "Count pairs: 3 times 4 of them"),
        ([0.3, 0.3, 0.8, 0.1], [True, True, False, False], "Every pair counts, not only neighbours"),
    ]
    for nones, nothing, why in cases:
        quiet = [value for value, asked in zip(nones, nothing, strict=True) if asked]
        wanted = [value for value, asked in zip(nones, nothing, strict=True) if not asked]
        pairs = [(one, other) for one in quiet for other in wanted]
        wins = sum(one > other for one, other in pairs)
        ties = sum(one == other for one, other in pairs)
        given, expected = f"nones={nones}, nothing={nothing}", (wins + ties / 2) / len(pairs)
        got = call(answer, list(nones), list(nothing), given=given)
        traps = {1 - expected: "the other order: requests for nothing should have the higher probability"}
        if len(pairs) > 1:
            traps[wins + ties / 2] = "a count; divide by the number of pairs"
        refuse_traps(got, {value: text for value, text in traps.items() if abs(value - expected) > 1e-6}, given)
        close(got, expected, given=given, tolerance=1e-9, why=why)
    for nones, nothing in ONE_KIND:
        refuses(answer, nones, nothing, given=f"nones={nones}, nothing={nothing} (a kind is missing)")
