"""The common data types of scores, from the scorer to the rendered table.

A task names its `Metric`s. Scoring predictions gives `Scores`: values and intervals by metric, a `Verdict` on each
item, and counts from which everything else (paired tests, pooling of seeds) is computed. A `Row` is a named system
with its predictions and scores. Tables, curves, sweeps, records and submissions know these four and no task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from lab_lib.errors import LabError, nearest
from lab_lib.evaluation import bootstrap
from lab_lib.evaluation.bootstrap import Comparison, Pooled

# oracle: the right answers; trivial: needs no model; base: the model before training; start: the adapter from which
# training started; finetuned: the result of training; other: a foreign prediction file.
Kind = Literal["oracle", "trivial", "base", "start", "finetuned", "other"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Predictions = Mapping[str, Sequence[Mapping[str, Any]]]  # item key -> its answers, each with at least `response`
RESAMPLES = 1000


@dataclass(frozen=True)
class Metric:
    """What a number is, and how it is shown.

    `low` and `high` are the bounds of its values, None where there is none (margins, log-likelihoods): an interval
    never leaves them. `descriptive` metrics (length, distinct words) are columns without interval, and neither high
    nor low is good. Metrics of one `group` share a table; "" is the main one. `explanation` is a sentence for the
    reader of the table.
    """

    key: str
    heading: str
    unit: str = "points"
    low: float | None = 0.0
    high: float | None = 100.0
    higher_is_better: bool = True
    decimals: int = 1
    descriptive: bool = False
    group: str = ""
    explanation: str = ""

    @property
    def label(self) -> str:
        """Heading and unit, for the axis of a figure.

        >>> Metric("combined", "Combined").label
        'Combined (points)'
        """
        return f"{self.heading} ({self.unit})"

    def clip(self, low: float, high: float) -> tuple[float, float]:
        """Return an interval cut at the metric's bounds.

        >>> Metric("margin", "Margin", low=None, high=None).clip(-1.0, -0.2)
        (-1.0, -0.2)
        """
        least = -np.inf if self.low is None else self.low
        most = np.inf if self.high is None else self.high
        return float(np.clip(low, least, most)), float(np.clip(high, least, most))

    def better(self, first: float, second: float) -> bool:
        """Return whether the first value is the better one."""
        return first > second if self.higher_is_better else first < second

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """What was found about one item: marks by name, the causes of failures, and the marks of its parts (domains)."""

    marks: Mapping[str, bool]
    causes: tuple[str, ...] = ()
    detail: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        detail = {part: dict(marks) for part, marks in self.detail.items()}
        return {"marks": dict(self.marks), "causes": list(self.causes), "detail": detail}


@dataclass(frozen=True)
class Scores:
    """The scores of one system on some items.

    `values` and `intervals` (95 %) are by metric key; a descriptive metric has no interval. `counts` has one row per
    item, in the order of `per_item`, and is additive: `of_counts` computes the values of summed rows. `answers` is the
    number of scored answers. `signature` holds everything the numbers depend on beside the data, `notes` the decisions
    taken about the input, `extra` what only the JSON report shows; `extra["table_notes"]` are sentences for under the
    table, or {group of metrics: sentences}, in which `{rows}` stands for the names of the rows that have the sentence.
    `extra["curves"]` are figures of `row_curve`, which a report draws.
    """

    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    counts: np.ndarray = field(repr=False, compare=False)
    of_counts: Callable[[np.ndarray], Mapping[str, float]] = field(repr=False, compare=False)
    per_item: Mapping[str, Verdict] = field(repr=False)
    items: int
    answers: int
    signature: str
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def summary(self) -> dict[str, Any]:
        """Return what records keep: values to three digits, intervals to two, and how much was scored."""
        values = {name: round(value, 2 if name in self.intervals else 3) for name, value in self.values.items()}
        ranges = {name: [round(low, 2), round(high, 2)] for name, (low, high) in self.intervals.items()}
        return {"values": values, "intervals": ranges, "items": self.items, "answers": self.answers}

    def as_json(self) -> dict[str, Any]:
        """Return everything but the counts as plain JSON values."""
        per_item = {key: verdict.as_json() for key, verdict in self.per_item.items()}
        more = {"signature": self.signature, "notes": list(self.notes), **self.extra}
        ranges = {name: list(pair) for name, pair in self.intervals.items()}
        return {**self.summary(), "values": dict(self.values), "intervals": ranges, **more, "per_item": per_item}


@dataclass(frozen=True)
class Row:
    """A system of a table: its name, its kind, its answers, and its scores once it is scored.

    Raises LabError for an unknown kind.
    """

    name: str
    kind: Kind
    predictions: Predictions = field(repr=False)
    scores: Scores | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise LabError(f"row {self.name!r}: unknown kind {self.kind!r}{nearest(self.kind, KINDS)}")

    def summary(self) -> dict[str, Any]:
        """Return what records keep of a scored row."""
        assert self.scores is not None
        notes = self.scores.extra.get("table_notes")
        return {"kind": self.kind, **self.scores.summary(), **({"table_notes": notes} if notes else {})}


def row_curve(
    title: str, across: str, up: str, points: Sequence[Sequence[float]], chosen: Sequence[float] = (), label: str = ""
) -> dict[str, Any]:
    """Return a curve for `Scores.extra["curves"]`: its title, the labels of its axes, (x, y) points in order.

    `chosen` is the point of the setting in use, `label` says which that is.
    """
    plain = [[round(float(value), 3) for value in point] for point in points]
    return {"title": title, "x": across, "y": up, "points": plain, "chosen": list(chosen), "chosen_label": label}


def find_metric(metrics: Iterable[Metric], key: str, where: str = "metric") -> Metric:
    """Return the metric of that key. Raises LabError naming the nearest."""
    known = {metric.key: metric for metric in metrics}
    if key not in known:
        raise LabError(f"{where}: unknown metric '{key}'{nearest(key, known)}")
    return known[key]


def read_metrics(values: Iterable[Mapping[str, Any]]) -> tuple[Metric, ...]:
    """Return the metrics that a record lists; see `Metric.as_json`."""
    return tuple(Metric(**value) for value in values)


def compare(first: Scores, second: Scores, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Comparison]:
    """Return {metric: first minus second with interval and p} by a paired bootstrap over items.

    Raises LabError unless both were scored on the same items.
    """
    return bootstrap.compare(first.counts, aligned(first, second), first.of_counts, resamples, seed)


def compare_runs(
    pairs: Sequence[tuple[Scores, Scores]], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Comparison]:
    """Return {metric: first minus second, in the mean over runs}: a pair of scores for each seed, see `compare`.

    Raises LabError unless all were scored on the same items.
    """
    first = pairs[0][0]
    counts = [(aligned(first, one), aligned(first, other)) for one, other in pairs]
    return bootstrap.compare_runs(counts, first.of_counts, resamples, seed)


def pool(scores: Sequence[Scores], resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Pooled]:
    """Return {metric: mean over runs, with an interval over runs and items} for runs that differ in their seed.

    Raises LabError unless all runs were scored on the same items.
    """
    if not scores:
        raise LabError("pooling: no scores given")
    counts = [aligned(scores[0], other) for other in scores]
    return bootstrap.pool(counts, scores[0].of_counts, resamples, seed)


def aligned(first: Scores, second: Scores) -> np.ndarray:
    """Return the second's counts in the first's order of items. Raises LabError for other items."""
    place = {key: number for number, key in enumerate(second.per_item)}
    if different := sorted(set(place) ^ set(first.per_item)):
        named = ", ".join(different[:3])
        raise LabError(f"comparison: {len(different)} items were scored for one system only: {named}")
    return second.counts[[place[key] for key in first.per_item]]
