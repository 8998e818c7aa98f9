"""Scores of emotion recognition: accuracy, weighted and macro F1, recall by class, confusions.

Four of five DailyDialog utterances are neutral, so accuracy and weighted F1 are near 0.8 for a system that says
"neutral" to everything; balanced accuracy and macro F1 expose such a system.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab_lib.corpora.dailydialog.types import EMOTIONS
from lab_lib.errors import LabError, nearest
from lab_lib.evaluation.bootstrap import Comparison, Pooled, compare, intervals, pool
from lab_lib.evaluation.grouped import group_names, require_one_each, require_same_groups, sum_by_group

RESAMPLES = 1000
CONVENTION = "macro F1 over classes in truth or prediction; balanced accuracy over classes in truth; 0/0 = 0"


@dataclass(frozen=True)
class EmotionScores:
    """Scores as fractions of 1 (as sklearn and torcheval give them), with what they are made of.

    `weighted_f1` weighs each class by its number of true labels. `macro_f1` is the plain mean over the classes that
    occur in truth or prediction, `balanced_accuracy` the mean recall over those that occur in truth. `recall` is by
    class, None where truth has none of it. `confusion[i][j]`: true class i, predicted class j, in the order of
    `classes`. `intervals`: 95 % bootstrap intervals. `counts`: a flattened confusion matrix for each of `groups`.
    """

    accuracy: float
    balanced_accuracy: float
    weighted_f1: float
    macro_f1: float
    recall: Mapping[str, float | None]
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    count: int
    intervals: Mapping[str, tuple[float, float]]
    signature: str
    groups: tuple[Hashable, ...] = field(repr=False)
    counts: np.ndarray = field(repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plain = {name: value for name, value in vars(self).items() if name not in ("groups", "counts")}
        lists = {"intervals": {name: list(pair) for name, pair in self.intervals.items()}}
        return {**plain, **lists, "confusion": [list(row) for row in self.confusion]}


def score_emotions(
    predicted: Sequence[str | int],
    truth: Sequence[str | int],
    classes: Sequence[str] = EMOTIONS,
    groups: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> EmotionScores:
    """Score labels, each a class name or its number; `groups` names the dialogue of each, to be resampled whole.

    0 resamples: no intervals. Raises LabError for unequal numbers, no label, and an unknown label.
    """
    require_one_each("emotion", "predicted labels", len(predicted), {"true labels": truth, "groups": groups})
    if not len(predicted):
        raise LabError("emotion: no label to score")
    ours, gold = (_numbers(side, classes, what) for side, what in ((predicted, "predicted"), (truth, "true")))
    kinds = len(classes)
    cells = gold * kinds + ours
    counts = sum_by_group(np.eye(kinds * kinds)[cells], groups)
    confusion = np.bincount(cells, minlength=kinds * kinds)
    return EmotionScores(
        **main_scores(confusion),
        recall=_recalls(confusion.reshape(kinds, kinds), classes),
        classes=tuple(classes),
        confusion=tuple(map(tuple, confusion.reshape(kinds, kinds).tolist())),
        count=len(ours),
        intervals=intervals(counts, main_scores, resamples, seed) if resamples else {},
        signature=f"emotion|classes:{','.join(classes)}|{CONVENTION}|bootstrap:{resamples}|seed:{seed}",
        groups=group_names(groups, len(ours)),
        counts=counts,
    )


def main_scores(counts: np.ndarray) -> dict[str, float]:
    """Return the four scores of a flattened confusion matrix (true class by predicted class)."""
    kinds = round(len(counts) ** 0.5)
    matrix = np.asarray(counts, dtype=np.float64).reshape(kinds, kinds)
    right, true, said = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    # F1 of a class = 2 TP / (2 TP + FP + FN) = 2 right / (true + said); a class on neither side has none.
    f1 = np.divide(2 * right, true + said, out=np.zeros(kinds), where=true + said > 0)
    recall = np.divide(right, true, out=np.zeros(kinds), where=true > 0)
    return {
        "accuracy": float(right.sum() / matrix.sum()),
        "balanced_accuracy": float(recall[true > 0].mean()),
        "weighted_f1": float((f1 * true).sum() / true.sum()),
        "macro_f1": float(f1[true + said > 0].mean()),
    }


def compare_emotion_systems(
    first: EmotionScores, second: EmotionScores, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Comparison]:
    """Return {metric: first minus second with interval and p} by a paired bootstrap over what was grouped.

    Raises LabError unless both were scored on the same groups in the same order.
    """
    require_same_groups("emotion", [first, second])
    return compare(first.counts, second.counts, main_scores, resamples, seed)


def pool_emotion_seeds(scores: Sequence[EmotionScores], resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Pooled]:
    """Return {metric: mean over runs, with an interval} for runs that differ in their seed.

    Runs are drawn with replacement as well as groups. Raises LabError unless all were scored on the same ones.
    """
    require_same_groups("emotion", scores)
    return pool([one.counts for one in scores], main_scores, resamples, seed)


def _numbers(labels: Sequence[str | int], classes: Sequence[str], what: str) -> np.ndarray:
    """Return the class number of each label."""
    known: dict[str | int, int] = {name: number for number, name in enumerate(classes)}
    known |= {number: number for number in range(len(classes))}
    for place, label in enumerate(labels):
        # A bool is an int to Python, and 1.0 equals 1: neither is a label.
        if type(label) not in (str, int) or label not in known:
            hint = nearest(label, classes) if isinstance(label, str) else f"; valid: {', '.join(classes)}"
            raise LabError(f"emotion: {what} label {place} is {label!r:.60}{hint} or their numbers from 0")
    return np.array([known[label] for label in labels], dtype=np.int64)


def _recalls(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, float | None]:
    """Return {class: share of its true labels that were found}, None without true labels."""
    true = confusion.sum(axis=1)
    return {
        name: float(confusion[number, number] / true[number]) if true[number] else None
        for number, name in enumerate(classes)
    }
