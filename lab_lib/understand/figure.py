"""The figure of find-k: recall against prompt length, one line per number of descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab_lib.results.figure import STYLE, save
from lab_lib.understand.find_k import KFound

# Okabe and Ito (2008), darker colours first; one marker per line, for greyscale print.
LINES = (
    ("#000000", "o"), ("#0072B2", "s"), ("#D55E00", "^"), ("#009E73", "D"), ("#CC79A7", "v"), ("#E69F00", "P"),
    ("#56B4E9", "X"), ("#7F7F7F", "<"), ("#5E4FA2", ">"),
)  # fmt: skip
SIZE_INCHES = (7.2, 4.8)


def draw_find_k(found: KFound, png: Path | None, svg: Path | None) -> str:
    """Draw the grid with the intervals of all points, mark the chosen point, and return the SVG text."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        axes = figure.subplots()
        for number, count in enumerate(found.config.descriptions):
            points = sorted((p for p in found.points if p.descriptions == count), key=lambda point: point.tokens)
            color, marker = LINES[number % len(LINES)]
            recalls = [100 * point.recall for point in points]
            low = [100 * (point.recall - point.low) for point in points]
            high = [100 * (point.high - point.recall) for point in points]
            style: Any = {"color": color, "marker": marker, "markersize": 4, "linewidth": 1, "elinewidth": 0.7}
            axes.errorbar([point.tokens for point in points], recalls, yerr=[low, high], label=str(count), **style)
        axes.axhline(100 * found.config.wanted, color="#555555", linestyle=":", linewidth=1)
        if found.chosen is not None:
            text = f"{found.chosen.descriptions} descriptions, {found.chosen.exemplars} exemplars"
            place = (found.chosen.tokens, 100 * found.chosen.recall)
            axes.annotate(text, place, xytext=(10, -40), textcoords="offset points", arrowprops={"arrowstyle": "->"})
        axes.set_ylim(bottom=max(0.0, 100 * found.config.wanted - 20))
        axes.set_xlabel("prompt (tokens)")
        axes.set_ylabel("right function in the prompt (%)")
        title = f"{found.config.corpus}: {found.queries} utterances of {found.config.queries}, 95 % intervals"
        axes.set_title(title, loc="left", fontsize="medium", parse_math=False)
        figure.legend(title="descriptions", loc="outside right upper", fontsize="small", frameon=False)
        return save(figure, png, svg)
