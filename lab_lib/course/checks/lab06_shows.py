"""Plots and printed lines of lab 06: a parsed file, the tokens that a mask allows, the false-trigger curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lab_lib.course.drawing import COLOURS, panels

LONGEST = 8  # most steps for which the mask is shown
STEPS = 200  # thresholds of a curve


def print_pairs(read: Callable[[str], Any], text: str) -> None:
    """Print a text with line numbers, and the pairs that a student's parser reads from it."""
    for number, line in enumerate(text.split("\n"), 1):
        print(f"{number:3}  {line}")
    try:
        for said, call in read(text):
            print(f"read: {said!r} -> {call}")
    except ValueError as error:
        print(f"refused: {error}")


def print_masks(mask: Callable[..., Any], vocabulary: Sequence[str], texts: Sequence[str]) -> None:
    """Print the allowed tokens step by step, each step after the first allowed token."""
    written = ""
    for _ in range(LONGEST):
        allowed = [token for token, may in zip(vocabulary, mask(vocabulary, texts, written), strict=True) if may]
        print(f"{written!r:14} may go on with {', '.join(token or 'EOS' for token in allowed) or 'nothing'}")
        if not allowed or allowed[0] == "":
            return
        written += allowed[0]


def draw_curve(
    curve: Callable[..., list[tuple[float, float]]], nones: Sequence[float], nothing: Sequence[bool], chosen: float
) -> None:
    """Draw misses against false triggers over all thresholds, the chosen one marked."""
    thresholds = sorted({0.0, *nones, 1.000001})
    points = curve(nones, nothing, thresholds[:: max(1, len(thresholds) // STEPS)])
    ((trigger, miss),) = curve(nones, nothing, [chosen])
    with panels(5.6, 3.6) as (axes,):
        across, up = zip(*((100 * one, 100 * other) for one, other in points), strict=True)
        axes.plot(across, up, color=COLOURS[0], marker=".", markersize=4, label="all thresholds")
        label = f"threshold of the run ({chosen:.2g})"
        axes.plot([100 * trigger], [100 * miss], color=COLOURS[1], marker="D", linestyle="none", label=label)
        axes.set(xlabel="false triggers (% of requests for nothing)", ylabel="misses (% of requests for a skill)")
        axes.set_xlim(-2, 102)
        axes.set_ylim(-2, 102)
        axes.legend(frameon=False)


SHOWS = {"06.2": print_pairs, "06.4": print_masks, "06.6": draw_curve}
