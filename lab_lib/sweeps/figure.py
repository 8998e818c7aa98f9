"""The figure of a sweep: a score against a setting, one line per series, with intervals, as PNG and SVG.

It draws the rows of `table.py`, so whatever makes such rows can be drawn:

    draw_sweep(rows, measures, FigureSpec(x="lora.rank", log_x=True, series="lora.rslora"), "lora-rank-cpu", png, svg)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_lib.errors import LabError, nearest
from lab_lib.evaluation.scores import Metric
from lab_lib.results.figure import STYLE, save
from lab_lib.sweeps.floors import draw_floors
from lab_lib.sweeps.table import Estimate, Measures, SweepPoint, SweepRow, amount, merge_seeds, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008) without the yellow, which is faint on white; a marker and a dash each, for grey print.
LINES = (
    ("#0072B2", "o", "-"),
    ("#D55E00", "s", "--"),
    ("#009E73", "^", "-."),
    ("#CC79A7", "D", ":"),
    ("#000000", "v", "-"),
    ("#E69F00", "P", "--"),
    ("#56B4E9", "X", "-."),
)
SIZE_INCHES = (7.2, 4.5)
ASIDE_INCHES = 0.8  # more width where names stand beside the axes
WIDE = 72  # small characters that fit side by side below the axes
BOLD, SMALL = 62, 75  # bold and small characters of a line above them


@dataclass(frozen=True)
class FigureSpec:
    """What a sweep's figure shows."""

    # Below: a key of the settings, or the name of a value ("trainable"). Numbers get a scale, all else its own place.
    x: str
    x_label: str | None = None  # with its unit; the key when left out
    log_x: bool = False  # for values that are multiples of each other
    under: str | None = None  # the name of a value ("trainable") written under each name below; without series
    series: str | None = None  # a key of the settings: a line for each of its values
    metric: str | None = None  # what is drawn upwards, by its key; null: the task's main metric
    also: str | None = None  # a second metric of the same unit, drawn where a setting has it; without series
    y_label: str | None = None  # with its unit; that of the metric when left out
    names: dict = field(default_factory=dict)  # {a value as the table shows it: what the figure calls it}


@dataclass(frozen=True)
class Surroundings:
    """What stands around the points: the question above them, and the scores of the trivial baselines as lines."""

    question: str | None = None
    floors: Mapping[str, float] = field(default_factory=dict)  # {"random reply": value of the figure's metric}


NOTHING = Surroundings()


def draw_sweep(
    rows: Sequence[SweepRow],
    measures: Measures,
    spec: FigureSpec,
    title: str,
    png: Path | None,
    svg: Path | None,
    around: Surroundings = NOTHING,
) -> str:
    """Draw the rows, write the picture to the paths that are given (atomically), and return the SVG text.

    Markers are means over seeds with their 95 % intervals, dots the single runs; a setting whose seeds do not differ
    has the interval over items. `title` says what was measured; how many seeds and items is added from the rows.
    Raises LabError for a name no row has.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return save(_figure(rows, measures, spec, title, around), png, svg)


def caption(rows: Sequence[SweepRow], measures: Measures, metric: str | None = None) -> str:
    """Return what the numbers in the picture are: `mean of 3 seeds with 95 % interval, ..., 99 dialogues`."""
    drawn, items = metric or measures.main, measures.words.items
    points = points_of(rows, measures, drawn)
    counts = sorted({len(point.estimates[drawn].values) for point in points} - {1})
    sizes = sorted({row.items for row in rows if row.items})
    seeds = f"mean of {' or '.join(map(str, counts))} seeds" if counts else "one seed"
    parts = [f"{seeds} with 95 % interval" + ("" if counts else f" over {items}")]
    if counts:
        alone = any(len(point.estimates[drawn].values) == 1 for point in points)
        parts[0] += f" (seeds alike: over {items})" if alone else ""
        parts.append("dots: single runs")
    if sizes:
        parts.append(f"{' or '.join(map(str, sizes))} {items}")
    return ", ".join(parts)


def points_of(rows: Sequence[SweepRow], measures: Measures, metric: str) -> list[SweepPoint]:
    """Return the points of the picture; where all seeds give one value, they count as one run with its interval."""
    return [_as_one_run(point, rows, metric) for point in merge_seeds(rows, measures)]


def _as_one_run(point: SweepPoint, rows: Sequence[SweepRow], metric: str) -> SweepPoint:
    found = point.estimates.get(metric)
    own = next((row.intervals.get(metric) for row in rows if row.settings == point.settings), None)
    if found is None or own is None or len(set(found.values)) > 1:
        return point
    return replace(point, estimates={**point.estimates, metric: Estimate(found.mean, own, found.values[:1])})


def _figure(rows: Sequence[SweepRow], measures: Measures, spec: FigureSpec, title: str, around: Surroundings) -> Figure:
    from matplotlib.figure import Figure

    metric = measures.find(spec.metric or measures.main)
    points = points_of(rows, measures, metric.key)
    _check(points, spec, metric)
    width = SIZE_INCHES[0] + ASIDE_INCHES * bool(around.floors)
    figure = Figure(figsize=(width, SIZE_INCHES[1]), layout="constrained")
    axes = figure.subplots()
    _head(axes, title, caption(rows, measures, metric.key), around.question)
    below = Below(points, spec)
    lines = _lines(points, spec, metric, measures)
    for number, (label, members, key) in enumerate(lines):
        # Series stand 2 % of the width apart, so that no interval hides another.
        aside = 0.02 * (number - (len(lines) - 1) / 2)
        _draw_series(axes, members, below, key, aside, label, LINES[number % len(LINES)])
    draw_floors(axes, around.floors)
    axes.set_ylabel(spec.y_label or _scale(metric), parse_math=False)
    below.label(axes)
    if len(lines) > 1 or spec.series is not None:
        figure.legend(loc="outside lower center", ncols=len(lines), fontsize="small", frameon=False)
    return figure


def _scale(metric: Metric) -> str:
    """Return the label of the axis: the metric, its unit, its range and which direction is better."""
    if not metric.unit:
        return metric.heading
    bounds = f"{metric.low:g} to {metric.high:g}; " if metric.low is not None and metric.high is not None else ""
    return f"{metric.label}\n{bounds}{'higher' if metric.higher_is_better else 'lower'} is better"


def _lines(
    points: Sequence[SweepPoint], spec: FigureSpec, metric: Metric, measures: Measures
) -> list[tuple[str, list[SweepPoint], str]]:
    """Return (label, points, metric) of every line: the series, or the figure's two metrics."""
    if spec.also is None:
        return [(label, members, metric.key) for label, members in _series(points, spec).items()]
    both = (metric, measures.find(spec.also))
    return [(one.heading, [point for point in points if one.key in point.estimates], one.key) for one in both]


def _head(axes: Axes, title: str, small: str, question: str | None) -> None:
    """Write the question, or the title if there is none, in bold, and what the numbers are in small letters."""
    import textwrap

    bold = "\n".join(textwrap.wrap(question or title, BOLD))
    small = "\n".join([title] * bool(question) + textwrap.wrap(small, SMALL))
    # parse_math=False everywhere: a regular expression may hold a $, and is no formula.
    space = "\n" * (1 + small.count("\n"))
    axes.set_title(bold + space, parse_math=False, loc="left", fontweight="bold", fontsize="medium")
    axes.text(0, 1.02, small, transform=axes.transAxes, fontsize="small", color="#444444", parse_math=False)


def _check(points: Sequence[SweepPoint], spec: FigureSpec, metric: Metric) -> None:
    if not points:
        raise LabError("sweep figure: there is no finished run to draw")
    settings = set(points[0].settings)
    values = set.intersection(*(set(point.estimates) for point in points))
    known_names = ((spec.x, settings | values), (spec.series, settings), (metric.key, values), (spec.under, values))
    some = set.union(*(set(point.estimates) for point in points))
    for name, known in (*known_names, (spec.also, some)):
        if name is not None and name not in known:
            raise LabError(f"sweep figure: the runs have no '{name}'{nearest(name, known)}")
    if spec.also and spec.series:
        raise LabError("sweep figure: 'also' is a separate line; omit 'series'")
    if spec.under and spec.series:
        raise LabError("sweep figure: 'under' shows one value per name; omit 'series'")


def _x(point: SweepPoint, name: str) -> Any:
    """Return where a point stands: its setting of that name, else the mean of its value of that name."""
    return point.settings[name] if name in point.settings else point.estimates[name].mean


def _series(points: Sequence[SweepPoint], spec: FigureSpec) -> dict[str, list[SweepPoint]]:
    """Return {label: points} in the order the labels appear; one unnamed line without a series."""
    groups: dict[str, list[SweepPoint]] = {}
    if spec.series is None:
        return {"": list(points)}
    for point in points:
        value = show(point.settings[spec.series])
        label = spec.names.get(value) or f"{spec.series.rsplit('.', 1)[-1]} {value}"
        groups.setdefault(label, []).append(point)
    return groups


class Below:
    """The axis below: numbers on a scale, or names side by side at 0, 1, 2, ..."""

    def __init__(self, points: Sequence[SweepPoint], spec: FigureSpec):
        self.spec = spec
        self.chosen = spec.x in points[0].settings
        values = [_x(point, spec.x) for point in points]
        self.numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        self.log = spec.log_x and self.numeric
        self.ticks: list[Any] = sorted(set(values)) if self.numeric else list(dict.fromkeys(map(show, values)))
        self.under = {}
        if spec.under is not None:
            self.under = {show(_x(point, spec.x)): amount(point.estimates[spec.under].mean) for point in points}
        if self.log and self.ticks[0] <= 0:
            raise LabError(f"sweep figure: {spec.x}={self.ticks[0]} has no place on a logarithmic scale")

    def place(self, point: SweepPoint, aside: float = 0.0) -> float:
        """Return where a point stands, moved `aside` by a share of the axis."""
        value = _x(point, self.spec.x)
        if not self.numeric:
            return self.ticks.index(show(value)) + aside * len(self.ticks)
        low, high = self.ticks[0], self.ticks[-1]
        return value * (high / low) ** aside if self.log else value + aside * (high - low)

    def label(self, axes: Axes) -> None:
        """Write name and unit, and ticks at the values that were chosen."""
        axes.set_xlabel(self.spec.x_label or self.spec.x, parse_math=False)
        if not self.numeric:
            names = _wrapped(self.ticks, self.under, self.spec)
            longest = max(len(line) for name in names for line in name.split("\n"))
            size = "small" if longest * len(names) <= WIDE else "x-small"
            axes.set_xticks(range(len(self.ticks)), names, parse_math=False, fontsize=size)
            axes.set_xlim(-0.5, len(self.ticks) - 0.5)
            axes.grid(axis="x", visible=False)
            return
        if self.log:
            axes.set_xscale("log")
        if self.chosen:
            axes.set_xticks(self.ticks, [show(value) for value in self.ticks])
            axes.set_xticks([], minor=True)


def _draw_series(
    axes: Axes,
    points: Sequence[SweepPoint],
    below: Below,
    metric: str,
    aside: float,
    label: str,
    look: tuple[str, str, str],
) -> None:
    """Draw one series: means with intervals, a line between them where x is a number, and the single runs as dots."""
    colour, marker, dash = look
    points = sorted(points, key=below.place)
    estimates = [point.estimates[metric] for point in points]
    means = [estimate.mean for estimate in estimates]
    low_high = [estimate.interval or (estimate.mean, estimate.mean) for estimate in estimates]
    # Never below 0: a bootstrap interval may narrowly miss its own value.
    lower = [max(0.0, mean - low) for mean, (low, _) in zip(means, low_high, strict=True)]
    upper = [max(0.0, high - mean) for mean, (_, high) in zip(means, low_high, strict=True)]
    axes.errorbar(
        [below.place(point, aside) for point in points], means, yerr=[lower, upper], color=colour, marker=marker,
        markersize=9, capsize=3, elinewidth=1, linewidth=1.6, linestyle=dash if below.numeric else "none",
        label=label or None,
    )  # fmt: skip
    for point, estimate in zip(points, estimates, strict=True):
        if len(estimate.values) > 1:  # 1 % further, or the interval would hide the dots
            xs = [below.place(point, aside + 0.01)] * len(estimate.values)
            axes.plot(xs, estimate.values, ".", color=colour, markersize=6)


def _wrapped(names: Sequence[str], under: Mapping[str, str], spec: FigureSpec) -> list[str]:
    """Break long names between their words, so that they stand side by side."""
    import textwrap

    width = max(8, WIDE // len(names))
    shown = [spec.names.get(name) or name for name in names]
    lines = [textwrap.wrap(name, width, break_long_words=False) or [name] for name in shown]
    return ["\n".join([*parts, *([under[name]] if under else [])]) for name, parts in zip(names, lines, strict=True)]
