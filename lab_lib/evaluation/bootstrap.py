"""The bootstrap over dialogues: how much a score would vary with other dialogues.

Dialogues, not turns, are drawn, because the turns of a dialogue are not independent. A score here is a function of
summed counts, so a resample is a row of weights (how often each dialogue was drawn) and all resamples are one matrix
product. Efron and Tibshirani (1993); paired, for two systems: Koehn (2004), "Statistical Significance Tests for Machine
Translation Evaluation".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lab_lib.errors import LabError
from lab_lib.evaluation.config import MAX_RESAMPLES

LEVEL = 95.0  # per cent of resamples inside an interval
BLOCK = 1000  # resamples that are drawn at once: 8 MB of weights for 1,000 dialogues
# {metric: value} from the summed counts of the drawn dialogues
Score = Callable[[np.ndarray], Mapping[str, float]]


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same dialogues: `difference` = first minus second, with its interval.

    `p` is twice the smaller of two shares of resamples: those with a difference of at most zero, and those with at
    least zero (two-sided, at most 1). It shows how often other dialogues would reverse the order.
    """

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Pooled:
    """The mean of a metric over several runs, with an interval over runs and dialogues."""

    mean: float
    low: float
    high: float


def resample(counts: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Return sums (resamples, columns) of `counts` (dialogues, columns) over drawn dialogues.

    The draws depend only on the seed and the number of dialogues, so two systems are resampled alike.
    """
    if resamples < 1:
        raise LabError(f"bootstrap: resamples must be at least 1, not {resamples}")
    if resamples > MAX_RESAMPLES:
        raise LabError(f"bootstrap: resamples must be at most {MAX_RESAMPLES:,}, not {resamples}")
    dialogues = len(counts)
    rng, even, known = np.random.default_rng(seed), np.full(dialogues, 1 / dialogues), counts.astype(np.float64)
    sums = np.empty((resamples, counts.shape[1]))
    for start in range(0, resamples, BLOCK):  # draws are consecutive, so the block size does not change them
        weights = rng.multinomial(dialogues, even, size=min(BLOCK, resamples - start))
        # In floats the product is a fast matrix multiplication; counts below 2**53 stay exact.
        sums[start : start + BLOCK] = weights.astype(np.float64) @ known
    return sums


def intervals(counts: np.ndarray, score: Score, resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    """Return {metric: (low, high)}, the middle 95 % of the resamples' scores, if every resample has one."""
    scores = _scores(counts, score, resamples, seed)
    return {name: _middle(values) for name, values in scores.items() if np.isfinite(values).all()}


def compare(first: np.ndarray, second: np.ndarray, score: Score, resamples: int, seed: int) -> dict[str, Comparison]:
    """Return {metric: Comparison} of two systems, the same dialogues in the same rows, drawn together.

    Metrics without a value for one of them are omitted, see `compare_runs`.
    """
    return compare_runs([(first, second)], score, resamples, seed)


def compare_runs(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]], score: Score, resamples: int, seed: int
) -> dict[str, Comparison]:
    """Return {metric: Comparison} of two systems, averaged over runs that differ only by chance, one pair per run.

    All have the same dialogues in the same rows. Each resample draws as many runs as there are, with replacement, and
    one set of dialogues for all. Metrics without a value for a system are omitted; resamples without a value of a
    metric (for example without requests for nothing) are ignored for it.
    """
    if different := [(len(one), len(other)) for one, other in pairs if not len(one) == len(other) == len(pairs[0][0])]:
        raise LabError(f"comparison: {different[0][0]} dialogues against {different[0][1]}, expected the same ones")
    whole = [(score(one.sum(axis=0)), score(other.sum(axis=0))) for one, other in pairs]
    drawn = [[_scores(counts, score, resamples, seed) for counts in pair] for pair in pairs]
    runs = np.random.default_rng([seed, len(pairs)]).integers(len(pairs), size=(resamples, len(pairs)))
    found = {}
    for name in whole[0][0]:
        means = [ours.get(name, np.nan) - theirs.get(name, np.nan) for ours, theirs in whole]
        if not np.isfinite(means).all():
            continue
        apart = np.stack([ours[name] - theirs[name] for ours, theirs in drawn], axis=1)
        values = apart[np.arange(resamples)[:, None], runs].mean(axis=1)
        if np.isfinite(values).any():
            found[name] = _comparison(float(np.mean(means)), values[np.isfinite(values)])
    return found


def pool(runs: Sequence[np.ndarray], score: Score, resamples: int, seed: int) -> dict[str, Pooled]:
    """Return {metric: Pooled} of runs that differ only by chance, with the same dialogues in the same rows.

    Each resample draws as many runs as there are, with replacement, and one set of dialogues for all of them. Metrics
    and resamples without a value are omitted, as in `compare_runs`.
    """
    by_run = [_scores(counts, score, resamples, seed) for counts in runs]
    drawn = np.random.default_rng([seed, len(runs)]).integers(len(runs), size=(resamples, len(runs)))
    rows = np.arange(resamples)[:, None]
    whole = [score(counts.sum(axis=0)) for counts in runs]
    pooled = {}
    for name in by_run[0]:
        mean = float(np.mean([scores.get(name, np.nan) for scores in whole]))
        if np.isfinite(mean):
            values = np.stack([scores[name] for scores in by_run], axis=1)[rows, drawn].mean(axis=1)
            pooled[name] = Pooled(mean, *_middle(values[np.isfinite(values)]))
    return pooled


def _scores(counts: np.ndarray, score: Score, resamples: int, seed: int) -> dict[str, np.ndarray]:
    """Return {metric: its value in each resample, or NaN} for all metrics with a value in any resample."""
    rows = [score(sums) for sums in resample(counts, resamples, seed)]
    names = dict.fromkeys(name for row in [score(counts.sum(axis=0)), *rows] for name in row)
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}


def _middle(values: np.ndarray) -> tuple[float, float]:
    """Return the interval that leaves 2.5 % of the values on each side."""
    low, high = np.percentile(values, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)


def _comparison(difference: float, values: np.ndarray) -> Comparison:
    """Sum up the resampled differences of one metric."""
    low, high = _middle(values)
    rarer = min(float(np.mean(values <= 0)), float(np.mean(values >= 0)))
    return Comparison(difference, low, high, min(1.0, 2 * rarer))
