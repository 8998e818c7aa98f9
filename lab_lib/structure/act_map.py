"""Heat map of the shares of gold acts in each cluster, as PNG and SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lab_lib.results.figure import STYLE, save

NUMBERED = 0.05  # smaller shares are shown by colour only


def draw_act_map(acts: Sequence[str], shares: np.ndarray, title: str, png: Path | None, svg: Path | None) -> str:
    """Draw shares (acts, clusters) of 0 to 1, columns summing to 1, and return the SVG text.

    One hue that darkens evenly is readable with any colour vision; shares of 5 % or more are also printed as numbers.
    """
    import matplotlib
    from matplotlib.figure import Figure

    clusters = shares.shape[1]
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(4 + 0.5 * max(clusters, 6), 1.8 + 0.3 * max(len(acts), 6)), layout="constrained")
        axes = figure.subplots()
        # Cells and a colour bar of 40 steps stay vectors in the SVG; browsers would smooth an embedded image.
        steps = matplotlib.colormaps["Blues"].resampled(40)
        cells = axes.pcolormesh(100 * shares, cmap=steps, vmin=0, vmax=100, edgecolors="#EEEEEE", linewidth=0.5)
        axes.invert_yaxis()
        axes.set_title(title, parse_math=False, loc="left", fontweight="bold", fontsize=12)
        axes.set_xticks(np.arange(clusters) + 0.5, [str(number + 1) for number in range(clusters)])
        axes.set_yticks(np.arange(len(acts)) + 0.5, list(acts), parse_math=False)
        axes.set_xlabel("cluster")
        for row, column in np.argwhere(shares >= NUMBERED):
            colour = "white" if shares[row, column] > 0.6 else "black"
            share = f"{100 * shares[row, column]:.0f}"
            axes.text(column + 0.5, row + 0.5, share, ha="center", va="center", color=colour, fontsize=9)
        figure.colorbar(cells, ax=axes, label="% of the cluster's annotated utterances", shrink=0.8)
        return save(figure, png, svg)
