"""Agreement with the gold acts: equal to scikit-learn, honest intervals, trivial rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lab_lib.errors import LabError
from lab_lib.structure.quality import agreement, by_speaker, one_cluster, random_labels, tables_by_dialogue, v_measure
from lab_lib.structure.utterances import Utterance

metrics = pytest.importorskip("sklearn.metrics")


def make(dialogues: int, turns: int = 8, seed: int = 0) -> list[Utterance]:
    """Utterances with random acts, four by each speaker."""
    draw = np.random.default_rng(seed)
    return [
        Utterance(d, t, t / turns, speaker, "", "", f"{speaker} {draw.integers(4)}")
        for d in range(dialogues)
        for t, speaker in enumerate(["user", "system"] * (turns // 2))
    ]


def noisy(said: list[Utterance], share: float, seed: int) -> np.ndarray:
    """Clusters that are the acts, but for a share that is drawn at random."""
    draw = np.random.default_rng(seed)
    acts = sorted({u.act for u in said if u.act})
    right = np.array([acts.index(u.act) if u.act else 0 for u in said])
    return np.where(draw.random(len(said)) < share, draw.integers(len(acts), size=len(said)), right)


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_scikit_learn(seed: int) -> None:
    said = make(20, seed=seed)
    labels = noisy(said, 0.3, seed)
    ours = v_measure(tables_by_dialogue(said, labels).sum(axis=0))
    theirs = metrics.homogeneity_completeness_v_measure([u.act for u in said], labels)
    assert list(ours.values()) == pytest.approx([100 * value for value in theirs])


def test_the_trivial_rows() -> None:
    said = make(200, seed=99)  # not a seed of the random labels: they would be drawn alike
    one = agreement(said, [one_cluster(said)], 50, 0)
    assert (one["homogeneity"].mean, one["completeness"].mean, one["v_measure"].mean) == (0, 100, 0)
    chance = agreement(said, [random_labels(said, 8, seed) for seed in range(3)], 50, 0)["v_measure"]
    assert 0 < chance.mean < 3
    speaker = agreement(said, [by_speaker(said)], 50, 0)
    # 2 speakers of 4 acts each: log 2 of log 8 is known, one bit of three.
    assert speaker["homogeneity"].mean == pytest.approx(100 / 3, abs=1) and speaker[
        "completeness"
    ].mean == pytest.approx(100)


def test_perfect_clusters_have_no_interval_to_speak_of() -> None:
    said = make(30)
    perfect = agreement(said, [noisy(said, 0, 0)], 50, 0)["v_measure"]
    assert (perfect.mean, perfect.low, perfect.high) == pytest.approx((100, 100, 100))


def test_the_interval_holds_the_mean_and_narrows_with_more_dialogues() -> None:
    widths = []
    for dialogues in (20, 320):
        said = make(dialogues)
        found = agreement(said, [noisy(said, 0.4, seed) for seed in range(3)], 200, 0)["v_measure"]
        assert found.low < found.mean < found.high
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2


def test_runs_that_disagree_widen_the_interval() -> None:
    said = make(300)
    alike = agreement(said, [noisy(said, 0.3, seed) for seed in range(4)], 200, 0)["v_measure"]
    unlike = agreement(said, [noisy(said, share, 0) for share in (0.1, 0.2, 0.4, 0.5)], 200, 0)["v_measure"]
    assert unlike.high - unlike.low > 2 * (alike.high - alike.low)


def test_utterances_without_a_gold_act_are_left_out() -> None:
    said = make(10)
    labels = noisy(said, 0, 0)
    some = [replace(u, act=None) if u.turn == 0 else u for u in said]
    assert tables_by_dialogue(some, labels).sum() == len(said) - 10
    with pytest.raises(LabError, match="no utterance has a gold act"):
        tables_by_dialogue([replace(u, act=None) for u in said], labels)
