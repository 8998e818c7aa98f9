"""The scores of the task `understanding`: the official ones in per cent, for all, seen and unseen services."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from lab_lib.evaluation.scores import Metric, Scores, Verdict
from lab_lib.evaluation.sgd_frames import METRICS, FrameVerdict
from lab_lib.evaluation.sgd_scores import ALL, SEEN, UNSEEN, SgdScores

# Key of the scorer -> (prefix of our metric keys, their table).
PARTS = {
    ALL: ("", "All services"),
    SEEN: ("seen_", "Services seen in training"),
    UNSEEN: ("unseen_", "Services not seen in training"),
}
KEYS = tuple(prefix + name for prefix, _ in PARTS.values() for name in METRICS)
# The main table: the metrics that every system has, for all services.
MAIN = {
    "joint_goal_accuracy": "Joint goal",
    "average_goal_accuracy": "Average goal",
    "active_intent_accuracy": "Intent",
    "requested_slots_f1": "Requested F1",
}
MARKS = {"Joint goal": "joint_goal_accuracy", "Intent": "active_intent_accuracy"}


def _heading(name: str) -> str:
    """Return a metric's name as words.

    >>> _heading("joint_noncat_accuracy"), _heading("requested_slots_f1_without_empty")
    ('Joint noncat accuracy', 'Requested slots F1 without empty')
    """
    return name.replace("_", " ").capitalize().replace(" f1", " F1")


def _metric(name: str, prefix: str, group: str) -> Metric:
    tagging = "Slot tagging: of predictions with spans; states written as calls have none."
    explanation = tagging if name.startswith("slot_tagging") else ""
    return Metric(prefix + name, _heading(name), "%", group=group, explanation=explanation)


SGD_METRICS = (
    *(Metric(name, heading, "%") for name, heading in MAIN.items()),
    *(_metric(name, *part) for part in PARTS.values() for name in METRICS if part[0] or name not in MAIN),
)


class Figures:
    """The scores of summed counts: for each part the sums of all metrics, then the numbers of their values."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        """`keys` are the metrics to return; one without a value in a resample is NaN."""
        self.keys = keys

    def __call__(self, counts: np.ndarray) -> dict[str, float]:
        """Return {metric: per cent}."""
        sums, numbers = np.split(counts.reshape(len(PARTS), 2, len(METRICS)), 2, axis=1)
        ratios = np.divide(sums, numbers, out=np.full(sums.shape, np.nan), where=numbers > 0).ravel()
        every = dict(zip(KEYS, (100 * ratios).tolist(), strict=True))
        return {key: every[key] for key in self.keys}


def of_sgd(found: SgdScores, keys: Mapping[str, str], answers: int, problems: Mapping[str, int]) -> Scores:
    """Return the scores in the form that all tables use; `keys` is {dialogue id: item key}, in the order scored.

    `answers` is the number of answers; `problems` counts those that are not a state, by reason.
    """
    values = {
        prefix + name: 100 * value for part, (prefix, _) in PARTS.items()
        for name, value in found.metrics.get(part, {}).items()
    }  # fmt: skip
    ranges = {
        prefix + name: (100 * low, 100 * high) for part, (prefix, _) in PARTS.items()
        for name, (low, high) in found.intervals.get(part, {}).items()
    }  # fmt: skip
    empty = np.zeros((len(found.dialogues), 2 * len(METRICS)))
    unread = ", ".join(f"{kind} {count}" for kind, count in problems.items())
    return Scores(
        values=values,
        intervals=ranges,
        counts=np.hstack([found.counts.get(part, empty) for part in PARTS]),
        of_counts=Figures(tuple(values)),
        per_item=verdicts_of(found, keys),
        items=len(found.dialogues),
        answers=answers,
        signature=found.signature,
        notes=(*found.notes, *([f"answers that are not a state: {unread}, of {answers}"] if unread else [])),
        extra=extra_of(found),
    )


def verdicts_of(found: SgdScores, keys: Mapping[str, str]) -> dict[str, Verdict]:
    """Return the verdict on each dialogue: whether all frames are right, also by service, and what is wrong."""
    frames: defaultdict[str, list[FrameVerdict]] = defaultdict(list)
    for frame in found.frames:
        frames[frame.dialogue].append(frame)
    return {keys[name]: verdict_of(frames[name]) for name in found.dialogues}


def verdict_of(frames: list[FrameVerdict]) -> Verdict:
    """Return the verdict on a dialogue from those on its frames; causes are cut at the colon."""
    labels = dict.fromkeys(cause.split(":")[0] for frame in frames for cause in frame.causes)
    services: defaultdict[str, list[FrameVerdict]] = defaultdict(list)
    for frame in frames:
        services[frame.service].append(frame)
    return Verdict(_marks(frames), tuple(labels), {name: _marks(part) for name, part in services.items()})


def _marks(frames: list[FrameVerdict]) -> dict[str, bool]:
    return {mark: all(frame.metrics[name] in (1.0, None) for frame in frames) for mark, name in MARKS.items()}


def extra_of(found: SgdScores) -> dict[str, Any]:
    """Return the extra parts of the JSON report: the scores of each service and domain, and every wrong frame."""
    return {
        "backend": found.backend,
        "across_turn": found.across_turn,
        "causes": dict(found.causes),
        "by_service": {key: dict(means) for key, means in found.metrics.items() if key not in PARTS},
        "wrong_frames": [
            {"dialogue": f.dialogue, "turn": f.turn, "service": f.service, "causes": list(f.causes)}
            for f in found.frames
            if f.causes
        ],
    }
