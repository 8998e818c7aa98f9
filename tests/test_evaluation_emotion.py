"""Emotion figures: equal to scikit-learn's on any labels, by hand on a few, and what is refused."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from lab_lib.errors import LabError
from lab_lib.evaluation.emotion import EMOTIONS, compare_emotion_systems, pool_emotion_seeds, score_emotions

LABEL = st.integers(0, len(EMOTIONS) - 1)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(LABEL, LABEL), min_size=1, max_size=40))
def test_figures_equal_those_of_sklearn(pairs: list[tuple[int, int]]) -> None:
    predicted, truth = map(list, zip(*pairs, strict=True))
    scores = score_emotions(predicted, truth, resamples=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sklearn warns about classes that occur on one side only
        assert scores.accuracy == pytest.approx(metrics.accuracy_score(truth, predicted))
        assert scores.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth, predicted))
        for mean, ours in (("weighted", scores.weighted_f1), ("macro", scores.macro_f1)):
            assert ours == pytest.approx(metrics.f1_score(truth, predicted, average=mean, zero_division=0))
        recalls = metrics.recall_score(truth, predicted, average=None, labels=range(7), zero_division=0)
    assert [recall or 0.0 for recall in scores.recall.values()] == pytest.approx(list(recalls))
    matrix = metrics.confusion_matrix(truth, predicted, labels=range(7)).tolist()
    assert [list(row) for row in scores.confusion] == matrix


def test_always_neutral_by_hand() -> None:
    truth = ["neutral"] * 8 + ["anger", "happiness"]
    scores = score_emotions(["neutral"] * 10, truth, resamples=0)
    assert scores.accuracy == 0.8
    assert scores.balanced_accuracy == pytest.approx(1 / 3)
    # F1 of neutral = 2 * 8 / (8 + 10); anger and happiness have 0, the other four classes occur nowhere.
    assert scores.weighted_f1 == pytest.approx(16 / 18 * 0.8)
    assert scores.macro_f1 == pytest.approx(16 / 18 / 3)
    assert scores.recall == {**dict.fromkeys(EMOTIONS), "neutral": 1.0, "anger": 0.0, "happiness": 0.0}
    assert scores.confusion[1] == (1, 0, 0, 0, 0, 0, 0)
    assert "macro F1 over classes in truth or prediction" in scores.signature


def test_names_and_numbers_are_the_same_labels() -> None:
    assert score_emotions([0, "anger"], ["neutral", 1], resamples=0).accuracy == 1


def test_whole_dialogues_are_resampled() -> None:
    predicted, truth = ["neutral"] * 40, ["neutral", "anger"] * 20
    alone = score_emotions(predicted, truth, resamples=200).intervals["accuracy"]
    assert alone[0] < 0.5 < alone[1]
    paired = score_emotions(predicted, truth, groups=[i // 2 for i in range(40)], resamples=200)
    assert paired.intervals["accuracy"] == (0.5, 0.5)


def test_other_classes_can_be_scored() -> None:
    scores = score_emotions(["yes", "no"], ["yes", "yes"], classes=("no", "yes"), resamples=0)
    assert scores.confusion == ((0, 0), (1, 1)) and scores.as_json()["confusion"] == [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("predicted", "truth", "message"),
    [
        ([], [], "no label to score"),
        (["anger"], [], "1 predicted labels, but 0 true labels"),
        (["angry"], ["anger"], "predicted label 0 is 'angry'; did you mean 'anger'?"),
        (["anger"], [7], "true label 0 is 7; valid: neutral"),
        ([True], [1], "predicted label 0 is True"),
        ([float("nan")], [1], "predicted label 0 is nan"),
        ([["anger"]], [1], "predicted label 0 is \\['anger'\\]"),
        ([None], [1], "predicted label 0 is None"),
    ],
)
def test_bad_labels_are_refused(predicted, truth, message) -> None:
    with pytest.raises(LabError, match=message.replace("?", r"\?")):
        score_emotions(predicted, truth)


def test_two_systems_and_several_seeds() -> None:
    truth = ["neutral", "anger"] * 20
    right, half = (score_emotions(said, truth, resamples=0) for said in (truth, ["neutral"] * 40))
    assert compare_emotion_systems(right, half, resamples=50)["accuracy"].difference == 0.5
    assert pool_emotion_seeds([right, half], resamples=50)["accuracy"].mean == 0.75
    with pytest.raises(LabError, match="different groups"):
        compare_emotion_systems(right, score_emotions(["fear"], ["fear"], resamples=0))
    with pytest.raises(LabError, match="no scores given"):
        pool_emotion_seeds([])
