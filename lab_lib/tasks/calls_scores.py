"""The scores of the task `calls`: accuracy of all items and of each category, as the leaderboard counts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab_lib.calls.bfcl import kind_of
from lab_lib.evaluation.bootstrap import intervals
from lab_lib.evaluation.calls_types import LIVE, NON_LIVE, Accuracies, CallScores
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Metric, Scores, Verdict

BY_CATEGORY = "By category"
EXPLAINED = (
    "Accuracy: right calls in per cent by the leaderboard's rules, which take parallel calls in turn. Best assignment: "
    "the same, if each of them may stand for any expected call."
)
BEST_KEY, BEST_HEADING = "{}_best", "{}, best"
MAIN_METRICS = (Metric("accuracy", "Accuracy", "%"), Metric("best_assignment", "Best assignment", "%"))
MEANS = {"non_live_ast": NON_LIVE, "live_ast": LIVE}  # of the leaderboard, where all their categories are there


def metrics_of(categories: Sequence[str]) -> tuple[Metric, ...]:
    """Return the main metrics, then the accuracy of each category and mean.

    The best assignment is a separate metric for parallel calls and means; other categories have only one call.
    """
    names = [*categories, *(mean for mean, parts in MEANS.items() if set(parts) <= set(categories))]
    best = [name for name in names if name in MEANS or kind_of(name) == "parallel"]
    return (
        *MAIN_METRICS,
        *(Metric(name, name, "%", group=BY_CATEGORY) for name in names),
        *(Metric(BEST_KEY.format(name), BEST_HEADING.format(name), "%", group=BY_CATEGORY) for name in best),
    )


class Figures:
    """The values of summed counts: those of `CallScores.counts`, then the same by the best assignment."""

    def __init__(self, categories: Sequence[str]) -> None:
        """`categories` in the order of the columns."""
        self.keys = {metric.key for metric in metrics_of(categories)}
        self.accuracies = Accuracies(categories)

    def __call__(self, counts: np.ndarray) -> dict[str, float]:
        """Return {metric: per cent}."""
        official, best = map(self.accuracies, np.split(counts, 2))
        main = {"accuracy": official.pop("overall"), "best_assignment": best.pop("overall")}
        found = {**main, **official, **{BEST_KEY.format(name): value for name, value in best.items()}}
        return {key: value for key, value in found.items() if key in self.keys}


def of_calls(found: CallScores, settings: EvaluateConfig) -> Scores:
    """Return the scores of calls as every table takes them; `found` needs no intervals."""
    counts, figures = counts_of(found), Figures(found.columns)
    ranges = intervals(counts, figures, settings.resamples, settings.seed) if settings.resamples else {}
    failures = ", ".join(f"{name} {count}" for name, count in found.error_types.items())
    return Scores(
        values=figures(counts.sum(axis=0)),
        intervals=ranges,
        counts=counts,
        of_counts=figures,
        per_item={
            key: Verdict(
                {"Official": verdict.correct, "Best assignment": verdict.correct_exact},
                (verdict.cause,) if verdict.cause else (),
            )
            for key, verdict in found.per_item.items()
        },
        items=found.items,
        answers=found.items,
        signature=found.signature,
        notes=(*found.notes, *([f"failures: {failures}"] if failures else [])),
        extra={
            "error_types": dict(found.error_types),
            "errors": errors_of(found),
            "table_notes": [EXPLAINED],
        },
    )


def counts_of(found: CallScores) -> np.ndarray:
    """Return one row per item: the scorer's counts, and the same counts by the best assignment."""
    exact = np.array([verdict.correct_exact for verdict in found.per_item.values()])
    best = found.counts.copy()
    best[:, 1::2] = found.counts[:, ::2] * exact[:, None]
    return np.hstack([found.counts, best])


def errors_of(found: CallScores) -> dict[str, dict[str, Any]]:
    """Return the scorer's message about each wrong item."""
    wrong = {key: verdict for key, verdict in found.per_item.items() if verdict.error_type}
    return {
        key: {"error_type": one.error_type, "message": one.message, "parse_reason": one.parse_reason}
        for key, one in wrong.items()
    }
