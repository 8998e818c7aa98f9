"""The lines of the trivial baselines in the figure of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME_HEIGHT = 0.12  # of a baseline's name on two lines, as a share of the height of the axes


def draw_floors(axes: Axes, floors: Mapping[str, float]) -> None:
    """Draw a dashed line at the score of each trivial baseline; write names and scores beside their right ends.

    Names of near lines are moved apart, within the height of the axes.
    """
    for value in floors.values():
        axes.axhline(value, color="#555555", linewidth=1, linestyle=(0, (6, 4)), zorder=1)
    bottom, top = axes.get_ylim()
    heights = spread([(value - bottom) / (top - bottom) for value in sorted(floors.values())], NAME_HEIGHT)
    for name, height in zip(sorted(floors, key=lambda name: floors[name]), heights, strict=True):
        # "most frequent\nreply 3.1": a narrow column.
        first, _, last = name.rpartition(", " if ", " in name else " ")
        text = (name if len(name) <= len("random reply") else f"{first}\n{last}") + f" {floors[name]:.1f}"
        axes.text(1.01, height, text, transform=axes.transAxes, va="center", fontsize="x-small", color="#555555")


def spread(heights: Sequence[float], least: float) -> list[float]:
    """Return ascending heights, at least `least` apart: moved upwards, and down where one would pass 1.

    >>> [round(height, 2) for height in spread([0.0, 0.02, 0.5], 0.1)]
    [0.0, 0.1, 0.5]
    >>> [round(height, 2) for height in spread([0.1, 0.9, 0.95], 0.1)]
    [0.1, 0.9, 1.0]
    """
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + least) if moved else height)
    for place in range(len(moved) - 1, -1, -1):
        moved[place] = min(moved[place], moved[place + 1] - least if place + 1 < len(moved) else 1.0)
    return moved
