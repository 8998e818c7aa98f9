"""Plots and printed lines of lab 08: which tokens a mask supervises, and how guidance changes probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from lab_lib.course.drawing import COLOURS, panels

STRENGTHS = (0.0, 1.0, 2.0, 4.0)


def print_mask(role_mask: Callable[[Any], Sequence[bool]], pieces: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Print the pieces, one per line; tokens in the loss stand between underscores."""
    mask, place = list(role_mask(pieces)), 0
    for role, tokens in pieces:
        marks = mask[place : place + len(tokens)]
        place += len(tokens)
        texts = [token.replace("\n", "\\n") for token in tokens]
        print(f"{role:10}", " ".join(f"_{text}_" if mark else text for text, mark in zip(texts, marks, strict=True)))


def draw_guided(
    guided: Callable[..., Sequence[float]], tokens: Sequence[str], untold: Sequence[float], told: Sequence[float]
) -> None:
    """Draw the probabilities of a few next tokens at several strengths of guidance."""
    logs = [[math.log(share) for share in shares] for shares in (told, untold)]
    width = 0.8 / len(STRENGTHS)
    with panels(5.6, 3.2) as (axes,):
        for number, strength in enumerate(STRENGTHS):
            shares = [100 * math.exp(value) for value in guided(*logs, strength)]
            where = [place + number * width for place in range(len(tokens))]
            axes.bar(where, shares, width, color=COLOURS[number], label=f"strength {strength:g}")
        axes.set_xticks([place + 1.5 * width for place in range(len(tokens))], tokens)
        axes.set(xlabel="next token", ylabel="probability (%)")
        axes.legend(frameon=False)


SHOWS = {"08.2": print_mask, "08.6": draw_guided}
