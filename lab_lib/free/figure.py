"""The figure of dialogue lengths: generated dialogues against real ones and against the requested length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab_lib.results.figure import STYLE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's blue and vermilion; a hatch and a marker distinguish them in greyscale print.
REAL, WRITTEN = "#0072B2", "#D55E00"


def draw_lengths(
    real: Sequence[int], written: Sequence[int], wishes: Sequence[Mapping[str, Any]], title: str, png: Path, svg: Path
) -> None:
    """Draw the numbers of turns and write the figure as PNG and SVG (atomically).

    Left: shares of real and of generated dialogues by length. Right, if lengths were requested (`wishes`: {wished,
    mean, low, high}): the mean length obtained with the middle 80 %, and the line of equal lengths.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11 if wishes else 6.5, 4.2), layout="constrained")
        panels = figure.subplots(1, 2 if wishes else 1, squeeze=False)[0]
        figure.suptitle(title, parse_math=False, x=0.01, ha="left", fontweight="bold", fontsize=13)
        _shares(panels[0], real, written)
        if wishes:
            _met(panels[1], wishes)
        save(figure, png, svg)


def _shares(axes: Axes, real: Sequence[int], written: Sequence[int]) -> None:
    """Draw two histograms side by side, in steps of two turns, since dialogues consist of pairs."""
    edges = np.arange(1, max([*real, *written]) + 4, 2)  # 2 (or 1 more), 4, 6, ... turns
    middle = edges[:-1] + 1
    both = ((real, REAL, f"real ({len(real)})", "", -0.4), (written, WRITTEN, "generated", "//", 0.4))
    for lengths, colour, label, hatch, shift in both:
        name = f"{label} ({len(lengths)})" if hatch else label
        share = 100 * np.histogram(lengths, edges)[0] / len(lengths)
        axes.bar(middle + shift, share, 0.8, color=colour, label=name, hatch=hatch, edgecolor="white")
    axes.set(xlabel="turns of a dialogue (users and system)", ylabel="dialogues (%)")
    axes.set_xticks(middle[:: -(-len(middle) // 10)])  # even numbers, ten at most
    axes.grid(axis="x", visible=False)
    axes.legend(frameon=False, fontsize="small")


def _met(axes: Axes, wishes: Sequence[Mapping[str, Any]]) -> None:
    """Draw obtained against requested lengths."""
    wished, mean = [row["wished"] for row in wishes], [row["mean"] for row in wishes]
    spread = [[row["mean"] - row["low"] for row in wishes], [row["high"] - row["mean"] for row in wishes]]
    reach = max([*wished, *(row["high"] for row in wishes)]) + 1
    axes.plot([0, reach], [0, reach], color="black", linestyle="--", linewidth=1, label="as requested")
    axes.errorbar(
        wished, mean, np.clip(spread, 0, None), color=WRITTEN, marker="o", capsize=4, label="mean, middle 80 %"
    )
    axes.set(xlabel="turns requested", ylabel="turns obtained", xlim=(0, reach), ylim=(0, reach), xticks=wished)
    axes.legend(frameon=False, fontsize="small")
