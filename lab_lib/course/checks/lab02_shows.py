"""What `show` draws in lab 02."""

from __future__ import annotations

from typing import Any

import numpy as np

from lab_lib.course.drawing import COLOURS, panels

METRICS = {"bleu": "BLEU", "inform": "Inform", "success": "Success", "combined": "Combined"}


def draw_matched(answer: Any, reply: str, reference: str) -> None:
    """Draw how many n-grams of a reply match, for n = 1 to 4."""
    found = [answer(reply, reference, n) for n in (1, 2, 3, 4)]
    print(f"reply:     {reply}\nreference: {reference}")
    with panels(6.5, 2.6) as (axes,):
        places = np.arange(1, 5)
        axes.bar(places, [total for _, total in found], 0.6, color="#DDDDDD", label="n-grams of the reply")
        axes.bar(places, [hits for hits, _ in found], 0.6, color=COLOURS[0], label="matched")
        for place, (hits, total) in zip(places, found, strict=True):
            axes.annotate(f"{hits}/{total}", (place, total), ha="center", va="bottom", fontsize=10)
        most = max(total for _, total in found)
        axes.set(xlabel="n", ylabel="n-grams", xticks=places, ylim=(0, 1.2 * most), yticks=range(0, most + 3, 3))
        axes.grid(axis="x", visible=False)
        axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))


def draw_penalty(answer: Any) -> None:
    """Draw the brevity penalty for replies of half to one and a half times the reference's length."""
    lengths = np.arange(20, 151)
    with panels(5.5, 2.6) as (axes,):
        axes.plot(lengths, [answer(int(c), 100) for c in lengths], color=COLOURS[0], lw=2)
        axes.set(xlabel="words in the replies, for 100 in the references", ylabel="brevity penalty", ylim=(0, 1.1))


def draw_interval(answer: Any, counts: np.ndarray, score: Any, draws: np.ndarray) -> None:
    """Draw the scores of the resamples and the interval that the student's function gives."""
    low, high = answer(counts, score, draws)
    values = [score(counts[draw].sum(axis=0)) for draw in draws]
    whole = score(counts.sum(axis=0))
    with panels(6.5, 2.8) as (axes,):
        axes.hist(values, 25, color=COLOURS[5], edgecolor="white")
        axes.axvline(whole, color="black", lw=2, label=f"all {len(counts)} dialogues: {whole:.1f}")
        axes.axvspan(low, high, color=COLOURS[1], alpha=0.15, label=f"interval {low:.1f} to {high:.1f}")
        axes.set(xlabel="score of a resample (points)", ylabel="resamples")
        axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))


def draw_paired(answer: Any, first: np.ndarray, second: np.ndarray, scores: Any, draws: np.ndarray) -> None:
    """Draw the difference of two systems in each metric with its interval; `scores` gives {metric: value} of sums."""
    with panels(6.5, 2.6) as (axes,):
        for place, name in enumerate(METRICS):
            whole, low, high = answer(first, second, lambda sums, name=name: scores(sums)[name], draws)
            colour = COLOURS[place]
            axes.plot([low, high], [place, place], color=colour, lw=3, solid_capstyle="round")
            axes.plot(whole, place, "o", color=colour, ms=8)
            axes.annotate(f"{whole:+.1f} ({low:+.1f} to {high:+.1f})", (whole, place), (0, 8), ha="center",
                          textcoords="offset points", fontsize=10)  # fmt: skip
        axes.axvline(0, color="black", lw=1)
        axes.margins(x=0.15)
        axes.set(xlabel="first minus second (points)", ylim=(len(METRICS) - 0.4, -0.8))
        axes.set_yticks(range(len(METRICS)), METRICS.values())
        axes.grid(axis="y", visible=False)


SHOWS = {"02.1": draw_matched, "02.2": draw_penalty, "02.7": draw_interval, "02.8": draw_paired}
