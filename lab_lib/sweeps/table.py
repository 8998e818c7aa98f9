"""The table of a sweep: one line per setting, averaged over seeds, each score with a 95 % interval.

It takes plain rows, one per run, and does not know where they come from: training runs (`lab sweep`) or one adapter
decoded in several ways. `figure.py` draws the same rows.

>>> rows = [SweepRow({"lora.rank": 4}, seed, {"accuracy": a, "seconds": 90}) for seed, a in enumerate((60.0, 62.0))]
>>> point = merge_seeds(rows, Measures((Metric("accuracy", "Accuracy"),), "accuracy"))[0]
>>> point.name, point.seeds, point.estimates["accuracy"].mean
('4', (0, 1), 61.0)
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Metric, find_metric
from lab_lib.results.cells import Cell, Line, Narrowed, markdown_table, number, span
from lab_lib.tasks.base import Words

# 97.5 % quantiles of Student's t distribution by degrees of freedom, as in any table of it. scipy.stats.t.ppf gives
# the same, but scipy comes with the extras `structure` and `dev` only, and a sweep needs neither.
STUDENT = {
    **{1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228},
    **{11: 2.201, 12: 2.179, 13: 2.160, 14: 2.145, 15: 2.131, 16: 2.120, 17: 2.110, 18: 2.101, 19: 2.093, 20: 2.086},
}


def cost(name: str, heading: str | None = None) -> Metric:
    """Return what a setting costs (seconds, weights) as a metric: a plain column, never below 0.

    >>> cost("seconds", "Train s").clip(-5.0, 5.0)
    (0.0, 5.0)
    """
    return Metric(name, heading or name, "", high=None, higher_is_better=False, descriptive=True)


@dataclass(frozen=True)
class Measures:
    """The measures of a sweep: a task's metrics, its main metric, its words, and the costs to show."""

    metrics: tuple[Metric, ...]
    main: str
    words: Words = field(default_factory=Words)
    costs: tuple[Metric, ...] = ()  # columns before the scores

    def find(self, name: str) -> Metric:
        """Return the metric or cost of that name; any other value is taken for a cost."""
        return next((metric for metric in (*self.metrics, *self.costs) if metric.key == name), cost(name))

    @property
    def scores(self) -> list[Metric]:
        """The columns with intervals: the scores of the task's main table, and the main metric wherever it stands."""
        found = (m for m in self.metrics if not m.descriptive)
        return [metric for metric in found if not metric.group or metric.key == self.main]

    @property
    def main_metric(self) -> Metric:
        """The main metric. Raises LabError when there is no such metric."""
        return find_metric(self.metrics, self.main)


@dataclass(frozen=True)
class SweepRow:
    """One run of a sweep.

    `settings` are what the sweep varies, without the seed: {"lora.rank": 8}; the keys and their order are the same in
    all rows. `values` are what came out, by name: scores, and costs (seconds, tokens per second, weights).
    `intervals` are 95 % bootstrap intervals over items of some of them, and `items` how many were scored.
    """

    settings: Mapping[str, Any]
    seed: int
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    items: int | None = None


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % interval (None where one run has none), and the runs' own values."""

    mean: float
    interval: tuple[float, float] | None
    values: tuple[float, ...]


@dataclass(frozen=True)
class SweepPoint:
    """All runs of one setting: a line of the table, a point of the figure."""

    settings: Mapping[str, Any]
    seeds: tuple[int, ...]
    estimates: Mapping[str, Estimate]

    @property
    def name(self) -> str:
        """The setting's values as the table's first column shows them."""
        return setting_name(self.settings)


def setting_name(settings: Mapping[str, Any]) -> str:
    """Return the values of a setting as the table's first column shows them."""
    return ", ".join(map(show, settings.values()))


def show(value: Any) -> str:
    """Write a setting as a person would.

    >>> [show(value) for value in (True, None, 3e-4, 0.003, 64, "linear", ["a", "b"])]
    ['yes', 'none', '0.0003', '0.003', '64', 'linear', '[a, b]']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(show, value))}]"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def student(count: int) -> float:
    """Return the factor of a 95 % interval over `count` values: t of n - 1 degrees of freedom.

    Beyond 21 values the last one of the table is kept (2.086; the limit is 1.960): a little too wide, never too narrow.
    """
    return STUDENT[min(count - 1, max(STUDENT))]


def mean_interval(values: Sequence[float], metric: Metric | None = None) -> tuple[float, float]:
    """Return the 95 % interval of the mean of `values` (2 or more): mean ± t(n - 1) x s / sqrt(n).

    s is the standard deviation with n - 1 below the fraction. Three seeds, 60, 62, 64: mean 62, s = 2, t(2) = 4.303,
    so 62 ± 4.303 x 2 / 1.732 = 62 ± 4.97. Where the metric has bounds, the interval ends at them.

    >>> [round(end, 2) for end in mean_interval([60, 62, 64])]
    [57.03, 66.97]
    """
    mean = statistics.fmean(values)
    half = student(len(values)) * statistics.stdev(values) / math.sqrt(len(values))
    return metric.clip(mean - half, mean + half) if metric else (mean - half, mean + half)


def merge_seeds(rows: Iterable[SweepRow], measures: Measures) -> list[SweepPoint]:
    """Return one point per setting, in order of first appearance; failed runs are not among the rows.

    Only values that every run of the setting has are kept. The interval is over seeds; for a single seed it is over
    items, if the row has it. Raises LabError if a setting has one seed twice.
    """
    groups: dict[str, list[SweepRow]] = {}
    for row in rows:
        groups.setdefault(repr(dict(row.settings)), []).append(row)
    return [_point(group, measures) for group in groups.values()]


def _point(rows: Sequence[SweepRow], measures: Measures) -> SweepPoint:
    seeds = tuple(row.seed for row in rows)
    if len(set(seeds)) < len(seeds):
        raise LabError(f"sweep: {dict(rows[0].settings)} has two runs of one seed (seeds {seeds})")
    shared = [name for name in rows[0].values if all(name in row.values for row in rows)]
    return SweepPoint(rows[0].settings, seeds, {name: _estimate(rows, measures.find(name)) for name in shared})


def _estimate(rows: Sequence[SweepRow], metric: Metric) -> Estimate:
    values = tuple(float(row.values[metric.key]) for row in rows)
    interval = mean_interval(values, metric) if len(values) > 1 else rows[0].intervals.get(metric.key)
    return Estimate(statistics.fmean(values), interval, values)


def amount(value: float) -> str:
    """Write a cost: thousands separated, three digits at least.

    >>> [amount(value) for value in (1818624, 123.4, 5.26, 0.0312)]
    ['1,818,624', '123', '5.3', '0.031']
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 1 else f"{value:.2g}"


def to_terminal(rows: Sequence[SweepRow], measures: Measures, more: Sequence[str] = (), title: str = "") -> Narrowed:
    """Return a rich table: settings, costs (means), scores (with intervals).

    `more` are sentences that go under the table after our own (`notes`). Columns that do not fit are left out.
    """
    headings, lines, sentences, above = _parts(rows, measures, more)
    return Narrowed(headings, lines, sentences, title, above, measures.main_metric.heading, "in summary.md")


def to_markdown(rows: Sequence[SweepRow], measures: Measures, more: Sequence[str] = ()) -> str:
    """Return the same table for GitHub."""
    return markdown_table(*_parts(rows, measures, more))


def _parts(
    rows: Sequence[SweepRow], measures: Measures, more: Sequence[str]
) -> tuple[list[str], list[Line], list[str], str]:
    """Return headings, lines, sentences under the table, and what stands over the settings."""
    points = merge_seeds(rows, measures)
    headings = [metric.heading for metric in (*measures.costs, *measures.scores)]
    return headings, _lines(points, measures), [*notes(rows, measures), *more], corner(points)


def corner(points: Sequence[SweepPoint]) -> str:
    """Return what stands over the settings: their keys, without the section."""
    return ", ".join(key.rsplit(".", 1)[-1] for key in points[0].settings) if points else ""


def _lines(points: Sequence[SweepPoint], measures: Measures) -> list[Line]:
    lines: list[Line] = []
    for point in points:
        found = point.estimates
        plain = [Cell(amount(found[one.key].mean)) if one.key in found else Cell("-") for one in measures.costs]
        lines.append((point.name, plain + [_score(found.get(one.key), one) for one in measures.scores]))
    return lines


def _score(estimate: Estimate | None, metric: Metric) -> Cell:
    if estimate is None:
        return Cell("-")
    interval = span(*estimate.interval, metric.decimals) if estimate.interval else ""
    return Cell(number(float(estimate.mean), metric.decimals), interval)


def notes(rows: Sequence[SweepRow], measures: Measures) -> list[str]:
    """Return the sentences under the table: the scored items, the meaning of the ranges, and their limits."""
    points, items = merge_seeds(rows, measures), measures.words.items
    counts = {len(point.seeds) for point in points}
    sizes = sorted({row.items for row in rows if row.items})
    sentences = [f"{' or '.join(map(str, sizes))} {items}."] if sizes else []
    if counts == {1}:
        ranges = any(estimate.interval for point in points for estimate in point.estimates.values())
        return [*sentences, *([f"Ranges: 95 % intervals (bootstrap over {items})."] if ranges else [])]
    for count in sorted(counts - {1}):
        sentences.append(
            f"Ranges: 95 % intervals of the mean of {count} seeds, "
            f"{student(count):.3f} x s / √{count} to both sides (t distribution)."
        )
    if short := [f"{point.name} ({len(point.seeds)})" for point in points if len(point.seeds) < max(counts)]:
        sentences.append(f"Fewer seeds than the others: {', '.join(short)}.")
    return sentences + _over_items(rows, measures)


def _over_items(rows: Sequence[SweepRow], measures: Measures) -> list[str]:
    """Return what seeds do not show: how much one run's main score would vary with other items."""
    if not rows or not all(measures.main in row.intervals for row in rows):
        return []
    metric, items = measures.main_metric, measures.words.items
    halves = [(row.intervals[metric.key][1] - row.intervals[metric.key][0]) / 2 for row in rows]
    return [
        f"Seeds do not show what other {items} would: that moves the {metric.heading} of one run by "
        f"± {statistics.fmean(halves):.{metric.decimals}f} (bootstrap over {items}, mean of {len(rows)} runs)."
    ]
