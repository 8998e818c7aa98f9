"""Correct a measured share for the errors of a judge.

A judge that recognises only half of all fear rates a perfect system for fear as half right. Let C[i][j] be the
probability that it answers j for a text with emotion i; texts with true shares p then have the judged shares q = C' p.
C is measured on utterances with gold labels that the judge was not trained on; p is the distribution of emotions (no
negative share, sum 1) whose q is nearest to the measured one (Rogan and Gladen 1978 for two classes, constrained).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lab_lib.corpora.dailydialog.types import EMOTIONS
from lab_lib.evaluation.bootstrap import LEVEL

LEAST_RECALL = 0.2  # below this recall of an emotion, its true share cannot be estimated from the measured one
DRAWS = 200  # of texts and of the judge's confusion, for the interval


@dataclass(frozen=True)
class Corrected:
    """The corrected share of texts with the requested emotion: the mean over the identifiable emotions.

    Fractions of 1. `by_emotion` is None for an emotion whose recall is below LEAST_RECALL; `share` is None where that
    is so for all of them.
    """

    share: float | None
    low: float | None
    high: float | None
    by_emotion: Mapping[str, float | None]


def identifiable(confusion: np.ndarray) -> list[int]:
    """Return the indices of the emotions with sufficient recall, by a judge's confusion (true emotions as rows)."""
    return [number for number, row in enumerate(confusion) if row[number] >= LEAST_RECALL * max(row.sum(), 1)]


def true_shares(judged: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Return the shares (emotions,) behind judged ones; `confusion` has true emotions as rows, and counts or shares.

    Emotions that are not identifiable have the share 0: a judge that classifies all fear as neutral cannot measure it.

    >>> confusion = np.eye(7) * 0.4 + 0.6 / 7
    >>> true_shares(np.array([1, 0, 0, 0, 0, 0, 0]) @ confusion, confusion).round(6).tolist()
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    from scipy.optimize import nnls

    told = identifiable(confusion)
    rates = confusion[told] / confusion[told].sum(axis=1, keepdims=True)
    heavy = 1e3  # the sum of the shares is 1, up to a thousandth of what the fit is worth
    found, _ = nnls(np.vstack([rates.T, heavy * np.ones(len(rates))]), np.append(judged / judged.sum(), heavy))
    shares = np.zeros(len(confusion))
    shares[told] = found / found.sum()
    return shares


def correct(judged: Sequence[np.ndarray], confusion: np.ndarray, seed: int = 0, draws: int = DRAWS) -> Corrected:
    """Return the corrected control: `judged[e]` (histories, emotions) marks the judged emotions of texts requested with
    e.

    The interval is over histories, drawn alike for all emotions, and over the utterances behind the confusion; 0 draws:
    none.
    """
    told = identifiable(confusion)
    names: dict[str, float | None] = dict.fromkeys(EMOTIONS)
    if not told:
        return Corrected(None, None, None, names)
    names |= {EMOTIONS[number]: _share(judged[number].sum(axis=0), confusion, number) for number in told}
    rng, histories, values = np.random.default_rng(seed), len(judged[0]), []
    share = float(np.mean([value for value in names.values() if value is not None]))
    if not draws:
        return Corrected(share, None, None, names)
    for _ in range(draws):
        weights = rng.multinomial(histories, np.full(histories, 1 / histories))
        drawn = np.stack([rng.multinomial(int(row.sum()), row / max(row.sum(), 1)) for row in confusion])
        values.append(np.mean([_share(weights @ judged[number], drawn, number) for number in told]))
    low, high = np.percentile(values, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return Corrected(share, float(low), float(high), names)


def _share(judged: np.ndarray, confusion: np.ndarray, number: int) -> float:
    return float(true_shares(judged, confusion)[number])
