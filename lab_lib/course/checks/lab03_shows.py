"""Pictures of answers of lab 03."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab_lib.course.drawing import COLOURS, MARKERS, panels

SHOWN = 12  # tokens in a plot


def draw_temperatures(answer: Any) -> None:
    """Draw the probabilities of the same logits at three temperatures."""
    logits = np.array([3.0, 2.2, 1.6, 0.8, 0.2, -0.5])
    found = {temperature: answer(logits, temperature) for temperature in (0.5, 1.0, 2.0)}
    with panels(6.4, 2.8) as (axes,):
        for (temperature, p), colour, marker in zip(found.items(), COLOURS, MARKERS, strict=False):
            axes.plot(range(1, len(p) + 1), p, color=colour, marker=marker, label=f"temperature {temperature}")
        axes.set(xlabel="token, likeliest first", ylabel="probability", ylim=(0, 1))
        axes.legend(frameon=False, fontsize="small")


def draw_nucleus(answer: Any, logits: np.ndarray) -> None:
    """Draw the likeliest tokens of a position, and which of them stay at two values of p."""
    order = np.argsort(-logits)[:SHOWN]
    p = np.exp(logits - logits.max())
    p = (p / p.sum())[order]
    places = range(1, len(order) + 1)
    stays = {limit: np.isfinite(answer(logits, limit)) for limit in (0.5, 0.9)}
    with panels(9, 2.8, 2) as both:
        for axes, (limit, kept) in zip(both, stays.items(), strict=True):
            colours = [COLOURS[0] if keep else "#CCCCCC" for keep in kept[order]]
            axes.bar(places, p, color=colours)
            axes.plot(places, np.cumsum(p), color="#333333", marker=".", label="together")
            axes.axhline(limit, color=COLOURS[1], ls="--", label=f"p = {limit}")
            axes.set(xlabel="token, likeliest first", ylabel="probability", ylim=(0, 1.05))
            axes.set_title(f"{kept.sum():,} of {len(kept):,} tokens stay (blue)", fontsize="medium", loc="left")
            axes.legend(frameon=False, fontsize="small", loc="lower right")


def draw_padding(answer: Any) -> None:
    """Draw ids, mask and positions of three rows as grids; padding is pale."""
    ids, mask, positions = map(np.asarray, answer([[11, 12, 13, 14, 15], [21, 22], [31, 32, 33]], 0))
    with panels(9, 1.9, 3) as grids:
        for axes, name, values in zip(grids, ("ids", "mask", "positions"), (ids, mask, positions), strict=True):
            axes.imshow(mask, cmap="Blues", vmin=0, vmax=2.5, aspect="auto")
            for row, column in np.ndindex(values.shape):
                axes.text(column, row, str(values[row, column]), ha="center", va="center")
            axes.set_title(name, fontsize="medium", loc="left")
            axes.set(xticks=[], yticks=range(len(values)), yticklabels=[f"row {n + 1}" for n in range(len(values))])
            axes.grid(visible=False)


def draw_candidates(answer: Any, p: np.ndarray, states: np.ndarray, seen: np.ndarray, tokens: Sequence[str]) -> None:
    """Draw probability and penalty of each candidate, and which one the answer takes at three values of alpha."""
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (states, seen)]
    penalty = (unit[0] @ unit[1].T).max(axis=1)
    places = np.arange(len(p))
    chosen = {alpha: answer(p, states, seen, alpha) for alpha in (0.0, 0.3, 0.6)}
    with panels(7.2, 3) as (axes,):
        axes.bar(places - 0.2, p, 0.4, color=COLOURS[0], label="probability")
        axes.bar(places + 0.2, penalty, 0.4, color=COLOURS[1], hatch="//", edgecolor="white", label="largest cosine")
        for place in range(len(p)):
            alphas = "\n".join(f"α = {alpha}" for alpha, taken in chosen.items() if taken == place)
            axes.text(place, max(p[place], penalty[place]) + 0.04, alphas, ha="center", fontsize="small")
        axes.set(
            xticks=places, xticklabels=[repr(token) for token in tokens], ylim=(0, 1.2), ylabel="probability, cosine"
        )
        axes.set_xlabel("candidate; above it the alphas that choose it")
        axes.legend(frameon=False, fontsize="small", loc="upper right", ncols=2)


SHOWS = {
    "03.1": draw_temperatures,
    "03.3": draw_nucleus,
    "03.6": draw_padding,
    "03.9": draw_candidates,
}
