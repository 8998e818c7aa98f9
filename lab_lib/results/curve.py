"""The training curve of a run: loss above, dev scores below, as PNG and SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_lib.files import atomic_open, write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours of Okabe and Ito (2008), which people with any kind of colour blindness can tell apart; each line
# also has a marker and a dash of its own, for grey print.
LOSS_COLOUR = "#000000"
BEST_COLOUR = "#E69F00"
DEV_LINES = {
    "combined": ("Combined", "#D55E00", "o", "-"),
    "inform": ("Inform", "#0072B2", "s", "--"),
    "success": ("Success", "#009E73", "^", "-."),
    "bleu": ("BLEU", "#CC79A7", "D", ":"),
    "joint_accuracy": ("Joint goal", "#56B4E9", "v", "--"),  # of runs that predict belief states
}
SIZE_INCHES = (7.2, 5.4)
DOTS_PER_INCH = 150  # 7.2 x 5.4 inches at 150 dpi = 1080 x 810 pixels
STYLE = {
    "font.size": 12,  # the page shows the picture at about four fifths of its size
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "svg.fonttype": "none",  # text stays text: smaller, searchable, read aloud
    "svg.hashsalt": "lab",  # same run, same file
}


def loss_points(log: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[float]]:
    """Return (steps, losses) in step order.

    A loss that is null, NaN or infinite becomes NaN: a gap in the line. A run
    that was resumed logs some steps twice; the later line counts.

    >>> loss_points([{"step": 2, "loss": 3.0}, {"step": 1, "loss": None}, {"step": 2, "loss": 2.5}])
    ([1, 2], [nan, 2.5])
    """
    points = {int(line["step"]): _finite(line["loss"]) for line in log if "step" in line and "loss" in line}
    return sorted(points), [points[step] for step in sorted(points)]


def dev_points(log: Sequence[Mapping[str, Any]], metric: str) -> tuple[list[int], list[float]]:
    """Return (steps, values) of one dev score (`bleu`, `inform`, ...), as `loss_points` does."""
    lines = [line for line in log if "step" in line and metric in (line.get("dev") or {})]
    points = {int(line["step"]): _finite(line["dev"][metric]) for line in lines}
    return sorted(points), [points[step] for step in sorted(points)]


def best_step(log: Sequence[Mapping[str, Any]], metric: str) -> int | None:
    """Return the step with the highest dev score, the earliest of equals; None when there is none."""
    steps, values = dev_points(log, metric)
    scored = [(value, -step) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]
    return -max(scored)[1] if scored else None


def _finite(value: Any) -> float:
    """Return the number, or NaN for what cannot be drawn."""
    return float(value) if value is not None and math.isfinite(float(value)) else math.nan


def draw_curve(
    log: Sequence[Mapping[str, Any]],
    recipe: str,
    png: Path | None,
    svg: Path | None,
    best: int | None = None,
    dev: str = "",
) -> str:
    """Draw the curve, write it to the paths that are given (atomically), and return the SVG text.

    `log` holds the lines of a run's log: {"step", "loss"} and {"step", "dev": {metric: points}}; other keys
    are ignored. The loss is in nats per learnt token. `best` is the step of the kept checkpoint (`best_step`),
    `dev` says what the dev scores are taken on. An empty log gives a picture that says so. Raises LabError when a path
    cannot be written.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure = _figure(log, recipe, best, dev=dev)
        image, text = BytesIO(), StringIO()
        figure.savefig(image, format="png", dpi=DOTS_PER_INCH)
        figure.savefig(text, format="svg", metadata={"Date": None})
    if png is not None:
        with atomic_open(png, "wb") as stream:
            stream.write(image.getvalue())
    if svg is not None:
        write_text(svg, text.getvalue())
    return text.getvalue()


def curve_png(
    log: Sequence[Mapping[str, Any]], recipe: str, best: int | None = None, at: int | None = None, dpi: int = 100
) -> bytes:
    """Return the same curve as a PNG for a notebook, 7.2 x 5.4 inches; a dotted line marks the step `at`."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        image = BytesIO()
        _figure(log, recipe, best, at).savefig(image, format="png", dpi=dpi)
    return image.getvalue()


def _figure(
    log: Sequence[Mapping[str, Any]], recipe: str, best: int | None, at: int | None = None, dev: str = ""
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
        _draw_dev(panels[1], log)
        panels[1].set_title(dev, loc="left", fontsize="small", color="#444444")
    for panel in panels if best is not None else ():
        panel.axvline(best, color=BEST_COLOUR, linewidth=2, zorder=1.5, label=f"best checkpoint ({best})")
    for panel in panels if at is not None else ():
        panel.axvline(at, color="#555555", linewidth=1.5, linestyle=":", zorder=1.6, label=f"shown below ({at})")
    panels[-1].set_xlabel("optimiser step")
    lines, labels = panels[-1].get_legend_handles_labels()
    if has_dev or best is not None or at is not None:  # below the panels, where it covers no point
        columns = min(len(lines), 5) if len(lines) != 6 else 3  # six entries: two rows of three, not five and one
        figure.legend(
            lines, labels, loc="outside lower center", ncols=columns, fontsize="small", frameon=False, columnspacing=1.2
        )
    return figure


def _draw_loss(axes: Axes, log: Sequence[Mapping[str, Any]]) -> None:
    """Draw the training loss; single points between gaps are seen because every point has a dot."""
    steps, losses = loss_points(log)
    axes.set_ylabel("training loss\n(nats per learnt token)")
    if not any(map(math.isfinite, losses)):
        axes.text(0.5, 0.5, "no loss was logged", transform=axes.transAxes, ha="center", color="#555555")
    # Dots of 2 points: visible alone, a plain line when there are hundreds.
    axes.plot(steps, losses, color=LOSS_COLOUR, linewidth=1.2, marker=".", markersize=2)


def _draw_dev(axes: Axes, log: Sequence[Mapping[str, Any]]) -> None:
    """Draw the dev scores; Combined may exceed 100, the others may not."""
    for metric, (label, colour, marker, dash) in DEV_LINES.items():
        steps, values = dev_points(log, metric)
        if steps:
            axes.plot(steps, values, label=label, color=colour, marker=marker, linestyle=dash, markersize=5)
    axes.set_ylabel("dev score (points)")
    axes.set_ylim(bottom=0)
