"""Plots and printed lines of lab 07: BM25 scores, fused ranks, recall with and without the item itself, none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_lib.course.drawing import COLOURS, MARKERS, panels


def print_scores(bm25: Callable[..., list[float]], query: str, texts: Sequence[str]) -> None:
    """Print texts in descending order of their scores."""
    scores = bm25(query.split(), [text.replace(",", "").split() for text in texts])
    for place in sorted(range(len(texts)), key=lambda place: -scores[place]):
        print(f"{scores[place]:6.3f}  {texts[place]}")


def print_fused(fuse: Callable[..., list[str]], rankings: Mapping[str, Sequence[str]]) -> None:
    """Print rankings and their fusion."""
    for name, ranking in rankings.items():
        print(f"{name:>10}: {', '.join(ranking)}")
    print(f"{'fused':>10}: {', '.join(fuse(list(rankings.values())))}")


def draw_recall(
    recall_at: Callable[..., float],
    ranked: Sequence[Sequence[int]],
    owners: Sequence[str],
    gold: Sequence[str],
    own: Sequence[int],
) -> None:
    """Draw recall at k with the utterance itself in the index and without it."""
    most = max(map(len, ranked)) - 1
    sides = {"with the utterance itself": [None] * len(own), "without it": list(own)}
    with panels(5.6, 3.4) as (axes,):
        for number, (name, itself) in enumerate(sides.items()):
            values = [100 * recall_at(ranked, owners, gold, k, itself) for k in range(1, most + 1)]
            axes.plot(range(1, most + 1), values, color=COLOURS[number], marker=MARKERS[number], label=name)
        axes.set(xlabel="exemplars (k)", ylabel="right function among them (%)")
        axes.set_ylim(0, 102)
        axes.legend(frameon=False, loc="lower right")


def draw_threshold(
    none_threshold: Callable[..., float], likeness: Sequence[float], asks: Sequence[bool], kinds: Sequence[str]
) -> None:
    """Draw the likeness of each utterance by kind, and the threshold."""
    cut = float(none_threshold(list(likeness), list(asks)))
    names: list[Any] = list(dict.fromkeys(kinds))
    with panels(5.6, 2.6) as (axes,):
        for number, name in enumerate(names):
            mine = [value for value, kind in zip(likeness, kinds, strict=True) if kind == name]
            heights = [number + 0.3 * ((place % 5) - 2) / 2 for place in range(len(mine))]
            axes.plot(mine, heights, color=COLOURS[number], marker=MARKERS[number], linestyle="none", markersize=5)
        axes.axvline(cut, color="black", linestyle=":")
        axes.set(xlabel=f"likeness to the nearest exemplar (threshold {cut:.2g})", ylabel="kind of utterance")
        axes.set_yticks(range(len(names)), names)


SHOWS = {"07.1": print_scores, "07.2": print_fused, "07.4": draw_recall, "07.5": draw_threshold}
