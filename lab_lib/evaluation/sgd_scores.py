"""The results of the Schema-Guided Dialogue scorer: intervals, comparisons of two systems, pooling of seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab_lib.errors import LabError
from lab_lib.evaluation.bootstrap import Comparison, Pooled, Score, compare, intervals, pool
from lab_lib.evaluation.sgd_frames import JOINT, METRICS, FrameVerdict

ALL, SEEN, UNSEEN = "#ALL_SERVICES", "#SEEN_SERVICES", "#UNSEEN_SERVICES"
RESAMPLES = 1000


@dataclass(frozen=True)
class SgdScores:
    """Scores of one prediction file, fractions as published.

    `metrics` is {key: {metric: mean}}; a key is #ALL_SERVICES, #SEEN_SERVICES, #UNSEEN_SERVICES, a service or
    a domain (a service's name up to the first `_`). A metric that applies to no frame of a key is left out.
    `intervals` has 95 % bootstrap intervals by the three keys with `#`, empty when no resampling was asked for.
    `backend` is how non-categorical values were compared: difflib, indel or exact. `causes` is {label: frames
    with it}. `notes` are the decisions taken about the input. `counts` are {key with `#`: sums of every metric
    and numbers of its values, one row per dialogue of `dialogues`}.
    """

    metrics: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Mapping[str, tuple[float, float]]]
    backend: str
    across_turn: bool
    causes: Mapping[str, int]
    dialogues: tuple[str, ...]
    notes: tuple[str, ...]
    signature: str
    frames: tuple[FrameVerdict, ...] = field(repr=False)
    counts: Mapping[str, np.ndarray] = field(repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return everything but the counts as plain JSON values; metrics that do not apply to a frame are null."""
        return {
            "metrics": {key: dict(means) for key, means in self.metrics.items()},
            "intervals": {key: {n: list(ends) for n, ends in part.items()} for key, part in self.intervals.items()},
            "backend": self.backend,
            "across_turn": self.across_turn,
            "causes": dict(self.causes),
            "dialogues": len(self.dialogues),
            "notes": list(self.notes),
            "signature": self.signature,
            "frames": [
                {**vars(frame), "metrics": dict(frame.metrics), "causes": list(frame.causes)} for frame in self.frames
            ],
        }


@dataclass(frozen=True)
class FrameTable:
    """All judged frames in file order: `values` (frames, METRICS) with NaN where a metric does not apply.

    `dialogues` and `turns` number the dialogue and the turn of each frame, `rows` are the frames of each key.
    `total` is the number of dialogues, also of those without frames.
    """

    total: int
    values: np.ndarray
    dialogues: np.ndarray
    turns: np.ndarray
    rows: Mapping[str, Sequence[int]]


def count(table: FrameTable, key: str, across_turn: bool) -> np.ndarray:
    """Return (dialogues, 2 * METRICS): sums of the values of each metric, then how many values there are.

    With `across_turn` a joint metric has one value per turn, the product over the key's frames in it.
    """
    rows = np.asarray(table.rows[key])
    values, dialogues = table.values[rows], table.dialogues[rows]
    if not across_turn:
        return _sums(values, dialogues, table.total)
    starts = np.flatnonzero(np.diff(table.turns[rows], prepend=-1))
    joint = np.full((len(starts), len(METRICS)), np.nan)
    joint[:, JOINT] = _products(values[:, JOINT], starts)
    values[:, JOINT] = np.nan
    return _sums(values, dialogues, table.total) + _sums(joint, dialogues[starts], table.total)


def _products(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the products of the rows from each start to the next, without NaN; NaN where all are NaN."""
    missing = np.isnan(values)
    products = np.multiply.reduceat(np.where(missing, 1.0, values), starts)
    products[np.logical_and.reduceat(missing, starts)] = np.nan
    return products


def _sums(values: np.ndarray, dialogues: np.ndarray, total: int) -> np.ndarray:
    """Add up values and how many are not NaN, by dialogue."""
    present = ~np.isnan(values)
    sums = np.zeros((total, 2 * len(METRICS)))
    np.add.at(sums, dialogues, np.hstack([np.where(present, values, 0.0), present]))
    return sums


def means(counts: np.ndarray) -> dict[str, float]:
    """Return {metric: mean} of summed counts; metrics without a value are left out."""
    sums, numbers = counts[: len(METRICS)], counts[len(METRICS) :]
    return {name: float(s / n) for name, s, n in zip(METRICS, sums, numbers, strict=True) if n}


def key_intervals(
    counts: Mapping[str, np.ndarray], resamples: int, seed: int
) -> tuple[dict[str, dict[str, tuple[float, float]]], list[str]]:
    """Return {key: {metric: (low, high)}} and a note on those left out.

    A metric with no value at all in some resample (a rare service, few dialogues) has no interval.
    """
    keys = list(counts)
    joined = np.hstack([counts[key] for key in keys])

    def score(sums: np.ndarray) -> dict[str, float]:
        parts = np.split(sums, len(keys))
        return {f"{key} {n}": v for key, part in zip(keys, parts, strict=True) for n, v in _ratios(part).items()}

    found: dict[str, dict[str, tuple[float, float]]] = {key: {} for key in keys}
    ranges = intervals(joined, score, resamples, seed)
    for name, ends in ranges.items():
        key, metric = name.split(" ")
        found[key][metric] = ends
    applying = (f"{key} {name}" for key in keys for name in means(counts[key].sum(axis=0)))
    left_out = [name for name in applying if name not in ranges]
    note = f"no interval, because some resamples have no value: {len(left_out)}: {', '.join(left_out[:3])}"
    return found, [note] if left_out else []


def _ratios(sums: np.ndarray) -> dict[str, float]:
    """Return {metric: mean} of summed counts, NaN where there is no value."""
    tops, numbers = sums[: len(METRICS)], sums[len(METRICS) :]
    ratios = np.divide(tops, numbers, out=np.full(len(METRICS), np.nan), where=numbers > 0)
    return dict(zip(METRICS, ratios.tolist(), strict=True))


def compare_systems(
    first: SgdScores, second: SgdScores, key: str = ALL, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Comparison]:
    """Return {metric: first minus second with interval and p} of a key with `#`, by a paired bootstrap.

    Metrics that one of the systems lacks are left out. Raises LabError unless both were scored in the same way
    on the same dialogues, or if neither has the key.
    """
    (ours, theirs), score = _aligned([first, second], key)
    return compare(ours, theirs, score, resamples, seed)


def pool_seeds(
    scores: Sequence[SgdScores], key: str = ALL, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Pooled]:
    """Return {metric: mean over runs, with an interval over runs and dialogues} of a key with `#`.

    Raises LabError unless all runs were scored in the same way on the same dialogues, or if none is given.
    """
    if not scores:
        raise LabError("pooling: no scores given")
    counts, score = _aligned(scores, key)
    return pool(counts, score, resamples, seed)


def _aligned(scores: Sequence[SgdScores], key: str) -> tuple[list[np.ndarray], Score]:
    """Return the counts of a key, dialogues in the order of the first, and the score of the shared metrics."""
    first = scores[0]
    for other in scores:
        if (other.backend, other.across_turn) != (first.backend, first.across_turn):
            raise LabError(f"comparison: scored in different ways: {first.signature} and {other.signature}")
        different = set(first.dialogues) ^ set(other.dialogues)
        if different:
            named = ", ".join(sorted(different)[:3])
            raise LabError(f"comparison: {len(different)} dialogues were scored for one system only: {named}")
        if key not in other.counts:
            raise LabError(f"comparison: no frame of {key} was scored; keys: {', '.join(other.counts)}")
    shared = set.intersection(*(set(means(other.counts[key].sum(axis=0))) for other in scores))
    rows = [{name: row for row, name in enumerate(other.dialogues)} for other in scores]
    counts = [s.counts[key][[row[name] for name in first.dialogues]] for s, row in zip(scores, rows, strict=True)]

    def score(sums: np.ndarray) -> dict[str, float]:
        return {name: value for name, value in _ratios(sums).items() if name in shared}

    return counts, score
