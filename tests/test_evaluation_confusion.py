"""The correction of measured shares for a judge's errors: what it finds, its bias, and what cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from lab_lib.evaluation.judges.confusion import correct, inverse

RATES = np.full((7, 7), 0.05) + np.eye(7) * 0.65
# Of a judge of real DailyDialog: recalls from .36 to .68, disgust and fear rare among the utterances.
REAL = np.array([[329, 20, 18, 13, 61, 40, 19], [55, 174, 49, 26, 23, 26, 41], [45, 29, 61, 11, 9, 14, 3],
                 [10, 15, 4, 24, 6, 4, 3], [120, 17, 12, 16, 314, 6, 15], [97, 30, 40, 32, 16, 271, 14],
                 [56, 50, 20, 16, 25, 10, 323]])  # fmt: skip


def judged(share: float, rates: np.ndarray, histories: int, rng: np.random.Generator) -> np.ndarray:
    """Return (histories, requested, judged) for a system of which a share has the emotion; the rest is neutral."""
    truths = [share * np.eye(7)[n] + (1 - share) * np.eye(7)[0] for n in range(7)]
    return np.stack([rng.multinomial(1, truth @ rates, size=histories) for truth in truths], axis=1)


def test_the_correction_finds_the_shares_behind_a_judges_errors() -> None:
    truth = np.array([0.3, 0.5, 0, 0, 0.2, 0, 0])
    np.testing.assert_allclose(inverse(np.round(RATES * 200), range(7)) @ (truth @ RATES), truth, atol=1e-6)
    few = inverse(RATES, [0, 1, 4])  # only these three occur: more equations than unknowns
    np.testing.assert_allclose(few @ (truth @ RATES), truth, atol=1e-6)
    assert not few[[2, 3, 5, 6]].any() and (few @ np.eye(7)[1]).sum() == pytest.approx(1)
    found = correct(judged(0.8, RATES, 300, np.random.default_rng(0)), np.round(RATES * 200))
    assert found.share == pytest.approx((6 * 0.8 + 1) / 7, abs=0.05)
    assert found.low < found.share < found.high and found.high - found.low < 0.15
    assert all(low <= found.by_emotion[name] <= high for name, (low, high) in found.ranges.items())
    assert len(found.ranges) == 7


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_the_correction_is_not_biased_at_a_hundred_histories(share: float) -> None:
    """Cutting each emotion at 0 and 1 before averaging would lose 3 to 6 points."""
    rng, rates = np.random.default_rng(1), REAL / REAL.sum(axis=1, keepdims=True)
    found = [correct(judged(share, rates, 100, rng), REAL, draws=0).share for _ in range(300)]
    assert np.mean(found) == pytest.approx((6 * share + 1) / 7, abs=0.01)


def test_an_emotion_that_the_judge_does_not_find_is_not_identifiable() -> None:
    confusion = np.full((7, 7), 10.0) + np.eye(7) * 100
    confusion[3] = [90, 0, 0, 10, 0, 0, 0]  # fear: recall 0.1
    counts = np.tile(np.eye(7), (20, 1, 1))
    found = correct(counts, confusion, draws=20)
    assert found.by_emotion["fear"] is None and found.share == pytest.approx(1.0) and "fear" not in found.ranges
    assert correct(counts, np.full((7, 7), 10.0)).share is None


def test_an_emotion_at_the_border_of_what_is_identifiable_stays_so_in_every_draw() -> None:
    confusion = np.full((7, 7), 2.0) + np.eye(7) * 186
    confusion[3] = [156, 2, 2, 40, 0, 0, 0]  # fear: recall exactly 0.2, in every second draw below it
    found = correct(np.tile(np.eye(7), (20, 1, 1)), confusion, draws=100)
    assert found.by_emotion["fear"] == 1 and found.ranges["fear"][0] > 0.9
