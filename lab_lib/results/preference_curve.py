"""The curves of training on preferences: rewards above, log probabilities of the answers below.

In many runs the log probability of the chosen answers falls together with that of the rejected ones, although the
margin grows. If it falls far, answers other than these two become more likely, and the text gets worse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_lib.results.curve import SIZE_INCHES
from lab_lib.results.figure import STYLE, save

PANELS = (("rewards", "reward (beta x nats)"), ("logps", "log probability (nats an answer)"))
# Colours of Okabe and Ito (2008), as in the training curve.
LINES = (("chosen", "#0072B2", "o", "-"), ("rejected", "#D55E00", "s", "--"))


def has_preferences(log: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a run's log is from training on preferences."""
    return any("rewards/chosen" in row for row in log)


def draw_preferences(log: Sequence[Mapping[str, Any]], recipe: str, png: Path | None, svg: Path | None) -> str:
    """Draw both panels from the rows of a run's log and return the SVG text."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        for axes, (kind, label) in zip(figure.subplots(2, sharex=True), PANELS, strict=True):
            for side, colour, marker, dash in LINES:
                points = {row["step"]: row[f"{kind}/{side}"] for row in log if f"{kind}/{side}" in row}
                steps = sorted(step for step, value in points.items() if math.isfinite(value))
                axes.plot(steps, [points[step] for step in steps], color=colour, marker=marker, ls=dash, label=side)
            axes.set_ylabel(label)
        figure.axes[0].legend(frameon=False)
        figure.axes[0].set_title(f"{recipe}: chosen and rejected answers", parse_math=False, loc="left", fontsize=12)
        figure.axes[1].set_xlabel("optimiser step")
        return save(figure, png, svg)
