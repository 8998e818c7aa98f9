"""The table of a sweep: one line a setting, averaged over seeds, each score with a 95 % interval.

It takes plain rows, one a run, and does not know where they come from: training runs (`lab sweep`) or one adapter
decoded in several ways. `sweep_figure.py` draws the same rows.

>>> rows = [SweepRow({"lora.rank": 4}, seed, {"combined": c, "seconds": 90}) for seed, c in enumerate((60.0, 62.0))]
>>> point = merge_seeds(rows)[0]
>>> point.name, point.seeds, point.estimates["combined"].mean
('4', (0, 1), 61.0)
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab_lib.errors import LabError
from lab_lib.results.table import SCORES, Cell, markdown_table, terminal_table

if TYPE_CHECKING:
    from rich.table import Table

# 97.5 % quantiles of Student's t distribution by degrees of freedom, as in any table of it (and in scipy.stats.t.ppf).
STUDENT = {
    **{1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228},
    **{11: 2.201, 12: 2.179, 13: 2.160, 14: 2.145, 15: 2.131, 16: 2.120, 17: 2.110, 18: 2.101, 19: 2.093, 20: 2.086},
}

MOST = {"bleu": 100.0, "inform": 100.0, "success": 100.0, "combined": 200.0}  # no score can be above


@dataclass(frozen=True)
class SweepRow:
    """One run of a sweep.

    `settings` are what the sweep varies, without the seed: {"lora.rank": 8}; the keys and their order are the same in
    all rows. `values` are what came out, by name: scores in points, and costs (seconds, tokens a second, weights).
    `intervals` are 95 % bootstrap intervals over dialogues of some of them, and `dialogues` how many were scored.
    """

    settings: Mapping[str, Any]
    seed: int
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    dialogues: int | None = None


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
        return ", ".join(map(show, self.settings.values()))


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


def mean_interval(values: Sequence[float], most: float = math.inf) -> tuple[float, float]:
    """Return the 95 % interval of the mean of `values` (2 or more): mean ± t(n - 1) x s / sqrt(n).

    s is the standard deviation with n - 1 below the fraction. Three seeds, 60, 62, 64: mean 62, s = 2, t(2) = 4.303,
    so 62 ± 4.303 x 2 / 1.732 = 62 ± 4.97. Nothing measured here is below 0 or above `most`, so neither is the interval.

    >>> [round(end, 2) for end in mean_interval([60, 62, 64])]
    [57.03, 66.97]
    """
    mean = statistics.fmean(values)
    half = student(len(values)) * statistics.stdev(values) / math.sqrt(len(values))
    return max(0.0, mean - half), min(most, mean + half)


def merge_seeds(rows: Iterable[SweepRow]) -> list[SweepPoint]:
    """Return one point a setting, in the order settings first appear; runs that failed are simply not among the rows.

    Only what every run of the setting has is kept. The interval is over seeds; of a single seed it is the one over
    dialogues, if the row has it. Raises LabError when a setting has one seed twice.
    """
    groups: dict[str, list[SweepRow]] = {}
    for row in rows:
        groups.setdefault(repr(dict(row.settings)), []).append(row)
    return [_point(group) for group in groups.values()]


def _point(rows: Sequence[SweepRow]) -> SweepPoint:
    seeds = tuple(row.seed for row in rows)
    if len(set(seeds)) < len(seeds):
        raise LabError(f"sweep: {dict(rows[0].settings)} has two runs of one seed (seeds {seeds})")
    shared = [name for name in rows[0].values if all(name in row.values for row in rows)]
    return SweepPoint(rows[0].settings, seeds, {name: _estimate(rows, name) for name in shared})


def _estimate(rows: Sequence[SweepRow], name: str) -> Estimate:
    values = tuple(float(row.values[name]) for row in rows)
    interval = mean_interval(values, MOST.get(name, math.inf)) if len(values) > 1 else rows[0].intervals.get(name)
    return Estimate(statistics.fmean(values), interval, values)


def amount(value: float) -> str:
    """Write a cost: thousands separated, three digits at least.

    >>> [amount(value) for value in (1818624, 123.4, 5.26, 0.0312)]
    ['1,818,624', '123', '5.3', '0.031']
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 1 else f"{value:.2g}"


def to_terminal(
    rows: Sequence[SweepRow],
    costs: Mapping[str, str],
    scores: Mapping[str, str] = SCORES,
    more: Sequence[str] = (),
    title: str = "",
) -> Table:
    """Return a rich table: settings, `costs` (name -> heading, means), `scores` (name -> heading, with intervals).

    `more` are sentences that go under the table after our own (`notes`).
    """
    points = merge_seeds(rows)
    headings = [*costs.values(), *scores.values()]
    return terminal_table(headings, _lines(points, costs, scores), [*notes(rows, scores), *more], title, corner(points))


def to_markdown(
    rows: Sequence[SweepRow], costs: Mapping[str, str], scores: Mapping[str, str] = SCORES, more: Sequence[str] = ()
) -> str:
    """Return the same table for GitHub."""
    points = merge_seeds(rows)
    headings = [*costs.values(), *scores.values()]
    return markdown_table(headings, _lines(points, costs, scores), [*notes(rows, scores), *more], corner(points))


def corner(points: Sequence[SweepPoint]) -> str:
    """Return what stands over the settings: their keys, without the section."""
    return ", ".join(key.rsplit(".", 1)[-1] for key in points[0].settings) if points else ""


def _lines(
    points: Sequence[SweepPoint], costs: Mapping[str, str], scores: Mapping[str, str]
) -> list[tuple[str, list[Cell]]]:
    lines = []
    for point in points:
        found = point.estimates
        plain = [Cell(amount(found[name].mean)) if name in found else Cell("-") for name in costs]
        lines.append((point.name, plain + [_score(found.get(name)) for name in scores]))
    return lines


def _score(estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell("-")
    low_high = estimate.interval
    return Cell(f"{estimate.mean:.1f}", f"{low_high[0]:.1f}–{low_high[1]:.1f}" if low_high else "")


def notes(rows: Sequence[SweepRow], scores: Mapping[str, str] = SCORES) -> list[str]:
    """Return the sentences under the table: what was scored, what the ranges are, and what they leave out."""
    points = merge_seeds(rows)
    counts = {len(point.seeds) for point in points}
    sizes = sorted({row.dialogues for row in rows if row.dialogues})
    sentences = [f"{' or '.join(map(str, sizes))} dialogues."] if sizes else []
    if counts == {1}:
        return [*sentences, *(["Ranges: 95 % intervals (bootstrap over dialogues)."] if _has_intervals(points) else [])]
    for count in sorted(counts - {1}):
        sentences.append(
            f"Ranges: 95 % intervals of the mean of {count} seeds, "
            f"{student(count):.3f} x s / √{count} to both sides (t distribution)."
        )
    if short := [f"{point.name} ({len(point.seeds)})" for point in points if len(point.seeds) < max(counts)]:
        sentences.append(f"Fewer seeds than the others: {', '.join(short)}.")
    return sentences + _over_dialogues(rows, scores)


def _has_intervals(points: Sequence[SweepPoint]) -> bool:
    return any(estimate.interval for point in points for estimate in point.estimates.values())


def _over_dialogues(rows: Sequence[SweepRow], scores: Mapping[str, str]) -> list[str]:
    """Say what seeds do not show: how far one run's score would move on other dialogues."""
    name = next((name for name in reversed(list(scores)) if all(name in row.intervals for row in rows)), None)
    if name is None:
        return []
    halves = [(row.intervals[name][1] - row.intervals[name][0]) / 2 for row in rows]
    return [
        f"Seeds do not show what other dialogues would: that moves the {scores[name]} of one run by "
        f"± {statistics.fmean(halves):.1f} (bootstrap over dialogues, mean of {len(rows)} runs)."
    ]
