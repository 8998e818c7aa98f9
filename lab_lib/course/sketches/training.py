"""Drawings of labs about training: the loss mask, NF4, LoRA."""

from __future__ import annotations

import math

from lab_lib.course.sketches.canvas import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALE,
    PALE_BLUE,
    PALE_ORANGE,
    SOFT,
    Axes,
    Canvas,
)

TOKENS = ("user>", "cheap", "food", "please", "bot>", "[", "name", "]", "is", "cheap", "</s>")
SUPERVISED = range(5, 11)  # what follows `bot>`, the end of the reply included
# As published (Dettmers et al. 2023, appendix E), rounded to four digits.
NF4 = (
    *(-1.0, -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911, 0.0),
    *(0.0796, 0.1609, 0.2461, 0.3379, 0.4407, 0.5626, 0.7230, 1.0),
)
REACH = 1.848  # standard deviations of the weights at the outermost level
WIDTH, RANK = 256, 32  # of lab-tiny's attention, and of the recipe's adapters


def loss_mask() -> Canvas:
    """Return the drawing of one example: the tokens that the model reads, and the next tokens in the loss."""
    canvas = Canvas(
        760, 190, "every token is read; only the tokens of the reply and its end are scored, one step ahead"
    )
    step = 70
    canvas.words(0, 12, "read: every token of the example", bold=True)
    for place, token in enumerate(TOKENS[:-1]):
        canvas.labelled(place * step, 24, step - 8, 30, token)
        scored = place + 1 in SUPERVISED
        canvas.arrow(place * step + 31, 58, place * step + 31, 96, BLUE if scored else GREY)
        fill, edge = (PALE_ORANGE, 2.5) if scored else ("#FFFFFF", 0.5)
        canvas.labelled(place * step, 100, step - 8, 30, TOKENS[place + 1], fill, edge)
        canvas.words(place * step + 31, 148, "1" if scored else "0", 13, "middle", INK if scored else SOFT, scored)
    canvas.words(0, 172, "guessed: the token that comes next, with its loss mask", bold=True)
    canvas.words(0, 190, "Orange, mask 1: in the loss. White, mask 0: a wrong guess costs nothing.", 12, colour=SOFT)
    return canvas


def nf4() -> Canvas:
    """Return the drawing of the 16 levels of NF4 below the distribution of weights, and of 16 evenly spaced ones."""
    canvas = Canvas(
        740, 270, "the 16 levels of NF4 are close together near 0, where most weights are; even levels are not"
    )
    axes = Axes(canvas, 10, 24, 720, 130, -1.08, 1.08, 1.08)
    axes.curve(lambda x: math.exp(-((REACH * x) ** 2) / 2), BLUE)
    for level in NF4:
        canvas.line([axes.at(level, 0), axes.at(level, math.exp(-((REACH * level) ** 2) / 2))], ORANGE, 2)
    canvas.words(10, 14, "how many weights there are", bold=True)
    for place in (-1, 0, 1):
        axes.tick(place, str(place))
    canvas.words(370, 190, "weight, divided by the largest of its block of 64", 12, "middle", SOFT)
    even = [-1 + 2 * n / 15 for n in range(16)]
    for y, name, levels, colour in ((212, "NF4", NF4, ORANGE), (246, "evenly spaced", even, GREY)):
        canvas.words(10, y - 6, name, 12, bold=True)
        for level in levels:
            x = axes.at(level, 0)[0]
            canvas.line([(x, y), (x, y + 18)], colour, 3)
    return canvas


def lora() -> Canvas:
    """Return the drawing of a layer with an adapter: a frozen square beside two thin matrices."""
    whole, thin = WIDTH * WIDTH, 2 * WIDTH * RANK
    canvas = Canvas(
        720,
        290,
        f"W ({whole:,} weights) is frozen in 4 bits; beside it the thin A and B ({thin:,} weights) are trained",
    )
    canvas.labelled(20, 130, 40, 30, "x", PALE_BLUE)
    canvas.arrow(62, 140, 158, 80)
    canvas.arrow(62, 150, 158, 232)
    canvas.box(160, 10, 140, 140, GREY)
    canvas.words(230, 76, "W", 22, "middle", bold=True)
    canvas.words(230, 98, "frozen, 4 bits", 12, "middle")
    canvas.words(310, 30, f"{WIDTH} × {WIDTH} = {whole:,} weights", 12, colour=SOFT)
    canvas.box(160, 222, 140, 20, PALE_ORANGE, 2.5)
    canvas.words(230, 237, "A", 15, "middle", bold=True)
    canvas.words(230, 260, f"{RANK} × {WIDTH}, starts random", 12, "middle", SOFT)
    canvas.arrow(302, 232, 398, 232)
    canvas.words(350, 224, f"{RANK} numbers", 12, "middle", SOFT)
    canvas.box(400, 162, 20, 120, PALE_ORANGE, 2.5)
    canvas.words(410, 228, "B", 15, "middle", bold=True)
    canvas.words(430, 270, f"{WIDTH} × {RANK}, starts at 0", 12, colour=SOFT)
    canvas.words(430, 286, f"A and B: {thin:,} weights, trained", 12, colour=SOFT)
    canvas.arrow(302, 80, 528, 130)
    canvas.arrow(422, 222, 528, 152)
    canvas.words(490, 206, "· α / r", 13)
    canvas.labelled(530, 124, 34, 34, "+", PALE, 1)
    canvas.arrow(566, 141, 628, 141)
    canvas.labelled(630, 126, 40, 30, "y", PALE_BLUE)
    return canvas
