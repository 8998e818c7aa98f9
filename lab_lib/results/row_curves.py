"""Curves of rows: two numbers of a system as functions of a threshold.

A scorer stores such a curve, made by `row_curve`, in `Scores.extra["curves"]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from lab_lib.evaluation.scores import Row
from lab_lib.results.curve import DEV_LINES
from lab_lib.results.figure import STYLE, save

SIZE_INCHES = (7.2, 4.2)


def curve_titles(rows: Sequence[Row]) -> list[str]:
    """Return the titles of the curves of some scored rows, each once."""
    return list(dict.fromkeys(curve["title"] for _, curve in _curves(rows)))


def draw_row_curves(rows: Sequence[Row], title: str, png: Path | None, svg: Path | None) -> str:
    """Draw one line per row with this curve, write the figure to the given paths, and return the SVG text.

    A large point marks the chosen threshold. Raises LabError if a path cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        axes = figure.subplots()
        found = [(name, curve) for name, curve in _curves(rows) if curve["title"] == title]
        for (name, curve), (colour, marker, dash) in zip(found, cycle(DEV_LINES), strict=False):
            across, up = zip(*curve["points"], strict=True)
            axes.plot(across, up, label=name, color=colour, linestyle=dash, marker=".", markersize=4)
            if curve["chosen"]:
                label = f"{name}: {curve['chosen_label']}"
                axes.plot(*[[value] for value in curve["chosen"]], color=colour, marker=marker, markersize=10,
                          linestyle="none", label=label)  # fmt: skip
        axes.set_title(title, parse_math=False, loc="left", fontweight="bold")
        axes.set_xlabel(found[0][1]["x"])
        axes.set_ylabel(found[0][1]["y"])
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.legend(fontsize="small", frameon=False)
        return save(figure, png, svg)


def _curves(rows: Sequence[Row]) -> list[tuple[str, Mapping[str, Any]]]:
    scored = [(row.name, row.scores) for row in rows if row.scores is not None]
    return [(name, curve) for name, scores in scored for curve in scores.extra.get("curves", ())]
