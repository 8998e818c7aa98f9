"""Correct a measured share for the errors of a judge.

A judge that recognises only half of all fear rates a perfect system for fear as half right. Let C[i][j] be the
probability that it answers j for a text with emotion i; texts with true shares p then have the judged shares q = C' p.
C is measured on utterances with gold labels that the judge was not trained on; p is the least-squares solution with the
sum 1 (Rogan and Gladen 1978 for two classes). A single solution may be negative or above 1. Cutting it at these bounds
before averaging would bias the mean over emotions by some points: errors upward would be cut, errors downward kept. So
the mean is cut, and one emotion only where it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lab_lib.corpora.dailydialog.types import EMOTIONS
from lab_lib.evaluation.bootstrap import LEVEL

LEAST_RECALL = 0.2  # below this recall of an emotion, its true share cannot be estimated from the measured one
DRAWS = 200  # of texts and of the judge's confusion, for the interval


@dataclass(frozen=True)
class Corrected:
    """The corrected share of texts with the requested emotion, over the requests with an identifiable one.

    Fractions of 1. `by_emotion` is None for an emotion that is not identifiable or not requested; `share` is None where
    that is so for all of them. `ranges` are the intervals of `by_emotion`.
    """

    share: float | None
    low: float | None
    high: float | None
    by_emotion: Mapping[str, float | None]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def identifiable(confusion: np.ndarray) -> list[int]:
    """Return the indices of the emotions with sufficient recall, by a judge's confusion (true emotions as rows)."""
    return [number for number, row in enumerate(confusion) if row[number] >= LEAST_RECALL * max(row.sum(), 1)]


def inverse(confusion: np.ndarray, told: Sequence[int]) -> np.ndarray:
    """Return the matrix (emotions, emotions) that makes true shares of judged ones; rows of emotions not told are 0.

    `told` are the emotions that the texts may have: a judge that classifies all fear as neutral cannot measure it.
    True emotions are the rows of `confusion`, as counts or shares. For a column q of judged shares the result p solves
    min |C' p - q| with sum(p) = 1.

    >>> confusion = np.eye(7) * 0.4 + 0.6 / 7
    >>> (inverse(confusion, range(7)) @ np.array([1, 0, 0, 0, 0, 0, 0])).round(3).tolist()
    [2.286, -0.214, -0.214, -0.214, -0.214, -0.214, -0.214]
    """
    told = list(told)
    rates = (confusion[told] / np.maximum(confusion[told].sum(axis=1, keepdims=True), 1e-12)).T
    gram = np.linalg.pinv(rates.T @ rates)
    free, ones = gram @ rates.T, gram.sum(axis=1)
    # The multiplier of sum(p) = 1 adds a multiple of `ones`; 1 is written as the sum of q, which makes p linear in q.
    whole = np.zeros((len(confusion), len(confusion)))
    whole[told] = free + np.outer(ones / ones.sum(), 1 - free.sum(axis=0))
    return whole


def corrected_share(table: np.ndarray, unmixed: np.ndarray, told: Sequence[int]) -> float | None:
    """Return the share of texts with the requested emotion, from counts (requested, judged), cut at 0 and 1.

    `unmixed` is `inverse` of the judge. Requests with emotions that are not told do not count; None if nothing else
    was requested. With equally many requests it is the mean over the emotions.
    """
    total = table[list(told)].sum()
    return float(np.clip((unmixed * table)[list(told)].sum() / total, 0, 1)) if total else None


def correct(counts: np.ndarray, confusion: np.ndarray, seed: int = 0, draws: int = DRAWS) -> Corrected:
    """Return the corrected control: `counts` (dialogues, requested, judged) are the judged emotions of replies.

    The interval is over dialogues and over the utterances behind the confusion; 0 draws: none. Which emotions are
    identifiable is decided once, not in every draw.
    """
    table = counts.sum(axis=0)
    told = [number for number in identifiable(confusion) if table[number].sum()]
    names: dict[str, float | None] = dict.fromkeys(EMOTIONS)
    if not told:
        return Corrected(None, None, None, names)
    unmixed = inverse(confusion, identifiable(confusion))
    single = np.clip(_by_emotion(table, unmixed, told), 0, 1)
    names |= {EMOTIONS[number]: float(value) for number, value in zip(told, single, strict=True)}
    share = corrected_share(table, unmixed, told)
    if not draws:
        return Corrected(share, None, None, names)
    drawn, each = _draws(counts, confusion, told, seed, draws)
    ends = [(100 - LEVEL) / 2, (100 + LEVEL) / 2]
    low, high = np.percentile(drawn, ends)
    ranges = {
        EMOTIONS[number]: tuple(map(float, np.clip(np.nanpercentile(values, ends), 0, 1)))
        for number, values in zip(told, each.T, strict=True)
    }
    return Corrected(share, float(low), float(high), names, ranges)  # type: ignore[arg-type]


def _draws(
    counts: np.ndarray, confusion: np.ndarray, told: Sequence[int], seed: int, draws: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the share in each draw, and (draws, told) that of each emotion, NaN where a draw has no request for it."""
    rng, dialogues, known = np.random.default_rng(seed), len(counts), identifiable(confusion)
    shares, each = [], []
    for _ in range(draws):
        weights = rng.multinomial(dialogues, np.full(dialogues, 1 / dialogues))
        table = np.tensordot(weights, counts, axes=1)
        mixed = np.stack([rng.multinomial(int(row.sum()), row / max(row.sum(), 1)) for row in confusion])
        unmixed = inverse(mixed, known)
        if (share := corrected_share(table, unmixed, told)) is not None:
            shares.append(share)
            each.append(_by_emotion(table, unmixed, told))
    return np.array(shares), np.array(each)


def _by_emotion(table: np.ndarray, unmixed: np.ndarray, told: Sequence[int]) -> np.ndarray:
    """Return the share of each requested emotion, not cut; NaN without a request."""
    found, total = (unmixed * table)[list(told)].sum(axis=1), table[list(told)].sum(axis=1)
    return np.divide(found, total, out=np.full(len(told), np.nan), where=total > 0)
