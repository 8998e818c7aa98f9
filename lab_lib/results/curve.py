"""The training curve of a run: loss above, dev scores below, as PNG and SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_lib.evaluation.scores import Metric
from lab_lib.results.figure import STYLE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours of Okabe and Ito (2008), which people with any kind of colour blindness can tell apart; each line
# also has a marker and a dash of its own, for grey print. The metrics of a task take the dev lines in turn.
LOSS_COLOUR = "#000000"
BEST_COLOUR = "#E69F00"
DEV_LINES = (
    ("#CC79A7", "D", ":"),
    ("#0072B2", "s", "--"),
    ("#009E73", "^", "-."),
    ("#D55E00", "o", "-"),
    ("#56B4E9", "v", "--"),
    ("#777777", "P", "-."),
)
SIZE_INCHES = (7.2, 5.4)
Log = Sequence[Mapping[str, Any]]


def loss_points(log: Log) -> tuple[list[int], list[float]]:
    """Return (steps, losses) in step order.

        A loss that is null, NaN or infinite becomes NaN: a gap in the line. A run
    that was resumed logs some steps twice; the later row counts.

        >>> loss_points([{"step": 2, "loss": 3.0}, {"step": 1, "loss": None}, {"step": 2, "loss": 2.5}])
        ([1, 2], [nan, 2.5])
    """
    points = {int(line["step"]): _finite(line["loss"]) for line in log if "step" in line and "loss" in line}
    return sorted(points), [points[step] for step in sorted(points)]


def dev_points(log: Log, metric: str) -> tuple[list[int], list[float]]:
    """Return (steps, values) of one dev score, named by its key, as `loss_points` does."""
    lines = [line for line in log if "step" in line and metric in (line.get("dev") or {})]
    points = {int(line["step"]): _finite(line["dev"][metric]) for line in lines}
    return sorted(points), [points[step] for step in sorted(points)]


def best_step(log: Log, metric: Metric) -> int | None:
    """Return the step with the best dev score, the earliest in case of ties; None if there is none."""
    best: tuple[int, float] | None = None
    for step, value in zip(*dev_points(log, metric.key), strict=True):
        if math.isfinite(value) and (best is None or metric.better(value, best[1])):
            best = step, value
    return best[0] if best else None


def drawn_metrics(metrics: Sequence[Metric]) -> list[Metric]:
    """Return the metrics of a curve: those of the main table, and the first one of every other group."""
    scores = [metric for metric in metrics if not metric.descriptive]
    first = {metric.group: metric for metric in reversed(scores)}
    return [metric for metric in scores if not metric.group or metric is first[metric.group]]


def _finite(value: Any) -> float:
    """Return the number, or NaN if it cannot be drawn."""
    return float(value) if value is not None and math.isfinite(float(value)) else math.nan


def draw_curve(
    log: Log,
    metrics: Sequence[Metric],
    recipe: str,
    png: Path | None,
    svg: Path | None,
    best: int | None = None,
    dev: str = "",
) -> str:
    """Draw the curve, write it to the paths that are given (atomically), and return the SVG text.

    `log` holds the rows of a run's log: {"step", "loss"} and {"step", "dev": {metric key: value}}; other keys are
    ignored. The loss is in nats per supervised token. `best` is the step of the kept checkpoint (`best_step`), `dev`
    describes the dev items. For an empty log the figure says so. Raises LabError if a path cannot be written.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return save(_figure(log, metrics, recipe, best, dev=dev), png, svg)


def curve_png(
    log: Log, metrics: Sequence[Metric], recipe: str, best: int | None = None, at: int | None = None
) -> bytes:
    """Return the same curve as a PNG for a notebook, 7.2 x 5.4 inches; a dotted line marks the step `at`."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        image = BytesIO()
        _figure(log, metrics, recipe, best, at).savefig(image, format="png", dpi=100)
    return image.getvalue()


def _figure(
    log: Log, metrics: Sequence[Metric], recipe: str, best: int | None, at: int | None = None, dev: str = ""
) -> Figure:
    """Return the figure: the loss panel, and a second one when dev scores were logged.

    A bare Figure draws with Agg, whatever backend a notebook has chosen, and leaves no global state behind.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    has_dev = any(line.get("dev") for line in log)
    panels = figure.subplots(2 if has_dev else 1, 1, sharex=True, squeeze=False)[:, 0]
    # parse_math=False: a recipe called a$b$ is a name, not a formula.
    panels[0].set_title(recipe, parse_math=False, loc="left", fontweight="bold")
    _draw_loss(panels[0], log)
    if has_dev:
        _draw_dev(panels[1], log, metrics)
        panels[1].set_title(dev, loc="left", fontsize="small", color="#444444")
    for panel in panels if best is not None else ():
        panel.axvline(best, color=BEST_COLOUR, linewidth=2, zorder=1.5, label=f"best checkpoint ({best})")
    for panel in panels if at is not None else ():
        panel.axvline(at, color="#555555", linewidth=1.5, linestyle=":", zorder=1.6, label=f"shown below ({at})")
    panels[-1].set_xlabel("optimiser step")
    if has_dev or best is not None or at is not None:
        _legend(figure, panels[-1])
    return figure


def _legend(figure: Figure, axes: Axes) -> None:
    """Put the legend below the panels, where it covers no point."""
    lines, labels = axes.get_legend_handles_labels()
    columns = min(len(lines), 5) if len(lines) != 6 else 3  # six entries: two rows of three, not of five and one
    figure.legend(
        lines, labels, loc="outside lower center", ncols=columns, fontsize="small", frameon=False, columnspacing=1.2
    )


def _draw_loss(axes: Axes, log: Log) -> None:
    """Draw the training loss, with a dot for every point so that single points between gaps are visible."""
    steps, losses = loss_points(log)
    axes.set_ylabel("training loss (nats\nper supervised token)")
    if not any(map(math.isfinite, losses)):
        axes.text(0.5, 0.5, "no loss was logged", transform=axes.transAxes, ha="center", color="#555555")
    # Dots of 2 points: visible alone, a plain line when there are hundreds.
    axes.plot(steps, losses, color=LOSS_COLOUR, linewidth=1.2, marker=".", markersize=2)


def _draw_dev(axes: Axes, log: Log, metrics: Sequence[Metric]) -> None:
    """Draw the logged dev scores. The axis begins at the metric's lowest possible value, if there is one."""
    drawn = []
    for metric, (colour, marker, dash) in zip(drawn_metrics(metrics), cycle(DEV_LINES), strict=False):
        steps, values = dev_points(log, metric.key)
        if steps:
            drawn.append(metric)
            axes.plot(steps, values, label=metric.heading, color=colour, marker=marker, linestyle=dash, markersize=5)
    units = ", ".join(dict.fromkeys(metric.unit for metric in drawn))
    axes.set_ylabel(f"dev score ({units})" if units else "dev score")
    lows = [metric.low for metric in drawn]
    if lows and None not in lows:
        axes.set_ylim(bottom=min(low for low in lows if low is not None))
