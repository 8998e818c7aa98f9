"""What `show` draws or prints in lab 22."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab_lib.course.drawing import COLOURS, MARKERS, panels
from lab_lib.structure.utterances import Utterance

NUMBERED = 0.1  # cells with smaller shares show no number


def show_neighbours(answer: Any, vectors: np.ndarray, said: Sequence[Utterance], which: Sequence[int]) -> None:
    """Print some utterances, each with its three nearest neighbours in other words and their cosines."""
    for i in which:
        print(said[i].text)
        seen = {said[i].text.lower()}
        for j in answer(vectors, i, len(vectors) - 1):
            if said[j].text.lower() not in seen and len(seen) < 4:
                seen.add(said[j].text.lower())
                print(f"   {vectors[i] @ vectors[j]:.2f}  {said[j].text}")


def draw_steps(assign: Any, update: Any) -> None:
    """Draw k-means on three groups of points in the plane: the start, one step of each kind, and the end."""
    rng = np.random.default_rng(3)
    heaps = np.concatenate([rng.normal(middle, 0.7, (25, 2)) for middle in ((0, 0), (4, 1), (1.5, 4))])
    centres = np.array([[-1.0, 3.0], [0.0, 4.5], [4.0, 3.5]])
    labels = assign(heaps, centres)
    moved = update(heaps, labels, centres)
    last, end = labels, moved
    for _ in range(10):
        last = assign(heaps, end)
        end = update(heaps, last, end)
    steps = {
        "assign": (labels, centres, None),
        "update": (labels, moved, centres),
        "assign again": (assign(heaps, moved), moved, None),
        "10 steps later": (last, end, None),
    }
    with panels(11, 2.9, 4) as axes:
        for panel, (name, (colours, here, before)) in zip(axes, steps.items(), strict=True):
            _plane(panel, heaps, colours, here, before)
            panel.set_title(name, fontsize=11)


def _plane(axes: Any, points: np.ndarray, labels: np.ndarray, centres: np.ndarray, before: np.ndarray | None) -> None:
    """Draw points in the colour and marker of their cluster, centres as stars, and the last moves of centres."""
    for number, centre in enumerate(centres):
        mine = points[np.asarray(labels) == number]
        axes.scatter(*mine.T, s=18, color=COLOURS[number], marker=MARKERS[number], alpha=0.6, linewidth=0)
        axes.scatter(*centre, s=190, color=COLOURS[number], marker="*", edgecolor="black", zorder=3)
        if before is not None:
            axes.annotate("", centre, before[number], arrowprops={"arrowstyle": "->", "lw": 1.5})
    axes.set(xticks=[], yticks=[], aspect="equal")


def draw_transitions(answer: Any, walks: Sequence[Sequence[int]], k: int) -> None:
    """Draw the shares of each row of the student's matrix: what follows a cluster, or the start."""
    counts = np.asarray(answer(walks, k), dtype=float)
    sums = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(sums == 0, 1, sums)
    names = [str(number + 1) for number in range(k)]
    with panels(7.5, 5.2) as (axes,):
        cells = axes.pcolormesh(100 * shares, cmap="Blues", vmin=0, vmax=100, edgecolors="#EEEEEE", linewidth=0.5)
        axes.set_xticks(np.arange(k + 1) + 0.5, [*names, "end"])
        axes.set_yticks(np.arange(k + 1) + 0.5, [*names, "start"])
        axes.set(xlabel="is followed by cluster", ylabel="cluster")
        axes.invert_yaxis()
        axes.grid(visible=False)
        for row, column in np.argwhere(shares >= NUMBERED):
            ink = "white" if shares[row, column] > 0.6 else "black"
            text = f"{100 * shares[row, column]:.0f}"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=ink, fontsize=9)
        axes.figure.colorbar(cells, ax=axes, label="% of what follows")


SHOWS = {"22.1": show_neighbours, "22.4": draw_steps, "22.6": draw_transitions}
