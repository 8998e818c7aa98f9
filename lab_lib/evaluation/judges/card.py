"""The card of a judge: the quality measures that must accompany its scores.

A judge has the priors of its training data: in DailyDialog five of six utterances are neutral, so in doubt it decides
for neutral. A test with equally frequent emotions has other priors; there the probabilities are divided by the old
priors (`even`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lab_lib.corpora.dailydialog.types import EMOTIONS, Talk
from lab_lib.evaluation.emotion import score_emotions
from lab_lib.evaluation.judges.labelled import Labelled, labelled

BINS = 15  # of confidence, for the calibration error
MOST = 500  # utterances per emotion for the confusion that corrects shares


class Judge(Protocol):
    """Classifies the emotion of an utterance."""

    @property
    def name(self) -> str:
        """Its kind: tfidf or encoder."""

    @property
    def context(self) -> int:
        """The number of previous utterances that it reads."""

    def probabilities(self, texts: Sequence[str], before: Sequence[str] = ()) -> np.ndarray:
        """Return (texts, emotions), rows summing to 1; `before` is what was said before each text."""


@dataclass(frozen=True)
class Figures:
    """A judge on utterances with gold emotions. Fractions of 1; `confusion` has true emotions as rows.

    `micro_emotions` and `macro_emotions` are F1 without the class neutral, in which most papers on DailyDialog report;
    `calibration` is the expected calibration error: how far confidence and accuracy are apart.
    """

    count: int
    accuracy: float
    weighted_f1: float
    macro_f1: float
    micro_emotions: float
    macro_emotions: float
    calibration: float
    log_loss: float
    recall: Mapping[str, float | None]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def mean_recall(self) -> float:
        """The mean of recall over the emotions that occur."""
        found = [value for value in self.recall.values() if value is not None]
        return sum(found) / len(found)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**vars(self), "confusion": [list(row) for row in self.confusion]}


def even(probabilities: np.ndarray, priors: Sequence[float]) -> np.ndarray:
    """Return the probabilities (texts, emotions) for equally frequent emotions.

    >>> even(np.array([[0.8, 0.2]]), [0.9, 0.1]).round(2).tolist()
    [[0.31, 0.69]]
    """
    shifted = probabilities / np.asarray(priors)
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def figures(found: np.ndarray, labels: np.ndarray) -> Figures:
    """Return the quality of a judge's probabilities (texts, emotions) for texts with these emotions."""
    said = found.argmax(axis=1)
    scores = score_emotions(said.tolist(), labels.tolist(), resamples=0)
    right = found[np.arange(len(labels)), labels]
    micro, macro = without_neutral(np.array(scores.confusion))
    return Figures(
        count=len(labels),
        accuracy=scores.accuracy,
        weighted_f1=scores.weighted_f1,
        macro_f1=scores.macro_f1,
        micro_emotions=micro,
        macro_emotions=macro,
        calibration=calibration_error(found.max(axis=1), said == labels),
        log_loss=float(-np.log(np.maximum(right, 1e-12)).mean()),
        recall=scores.recall,
        confusion=scores.confusion,
    )


def shifted(found: np.ndarray, bias: float) -> np.ndarray:
    """Return probabilities (texts, emotions) after `bias` was added to the log probability of neutral.

    >>> shifted(np.array([[0.6, 0.4]]), np.log(0.5)).round(3).tolist()
    [[0.429, 0.571]]
    """
    weighed = found * np.exp([bias, *[0.0] * (found.shape[1] - 1)])
    return np.asarray(weighed / weighed.sum(axis=1, keepdims=True))


def best_bias(found: np.ndarray, labels: np.ndarray) -> float:
    """Return the shift of neutral with the highest micro F1 without neutral, from -5 to 2 in steps of 0.1.

    The most probable emotion is the best answer for accuracy, not for this measure, in which papers report.
    """
    return max((round(bias / 10, 1) for bias in range(-50, 21)), key=lambda bias: micro_emotions(found, labels, bias))


def micro_emotions(found: np.ndarray, labels: np.ndarray, bias: float) -> float:
    """Return micro F1 without neutral after a shift of neutral."""
    kinds, said = found.shape[1], shifted(found, bias).argmax(axis=1)
    table = np.bincount(labels * kinds + said, minlength=kinds * kinds).reshape(kinds, kinds)
    return without_neutral(table)[0]


def without_neutral(confusion: np.ndarray) -> tuple[float, float]:
    """Return F1 over the six emotions, micro and macro, of a confusion matrix whose first class is neutral."""
    hits, true, said = (part[1:].astype(float) for part in (confusion.diagonal(), confusion.sum(1), confusion.sum(0)))
    each = np.divide(2 * hits, true + said, out=np.zeros(len(hits)), where=true + said > 0)
    return float(2 * hits.sum() / max(true.sum() + said.sum(), 1)), float(each.mean())


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return the mean distance of confidence and accuracy over bins of confidence, weighed by their sizes."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        abs(confidence[bins == one].mean() - right[bins == one].mean()) * (bins == one).sum() for one in np.unique(bins)
    ]
    return float(np.sum(gaps) / len(confidence))


def last_replies(talks: Sequence[Talk], context: int = 0) -> Labelled:
    """Return the last reply of each dialogue, as in the original evaluation; a judge's accuracy on them is the upper
    bound."""
    ends = [Talk(talk.key, talk.said[: 2 * len(talk.turns)]) for talk in talks]
    every, places, end = labelled(ends, context), list[int](), 0
    for talk in ends:
        end += len(talk.said)
        places.append(end - 1)
    return every.pick(np.array(places))


MEASURES = {
    "count": "utterances",
    "accuracy": "accuracy",
    "weighted_f1": "weighted F1",
    "macro_f1": "macro F1",
    "micro_emotions": "micro F1, no neutral",
    "micro_shifted": "the same, shifted",
    "macro_emotions": "macro F1, no neutral",
    "calibration": "ECE",
    "log_loss": "log-loss",
}


def table(card: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a card as a table, header first: one column per set of utterances."""
    sets = card["sets"].values()
    rows: list[tuple[str, ...]] = [("Measure", *(name.replace("last replies of", "last,") for name in card["sets"]))]
    for key, name in MEASURES.items():
        rows.append((name, *(str(found[key]) if key == "count" else f"{found[key]:.3f}" for found in sets)))
    return rows


def recall_table(card: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return recall and confusion of a card where all emotions count as equally frequent, header first: one row per
    true emotion, one column per emotion that the judge says."""
    rows: list[tuple[str, ...]] = [("True", "recall", *EMOTIONS)]
    for number, (name, row) in enumerate(zip(EMOTIONS, card["confusion"], strict=True)):
        rows.append((name, f"{row[number] / max(sum(row), 1):.2f}", *map(str, row)))
    return rows
