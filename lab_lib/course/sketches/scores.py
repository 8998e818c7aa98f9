"""Drawings of two scores: BM25, and the loss of DPO."""

from __future__ import annotations

import math

from lab_lib.course.sketches.canvas import BLUE, GREEN, GREY, ORANGE, PALE, RED, SOFT, Axes, Canvas

TEXTS, K1, B = 100, 1.5, 0.75  # texts of the example, and the usual constants of BM25
BETA = 0.1  # of the example of DPO
# Log probabilities of a chosen and a rejected reply: by the reference, and by the model after some steps.
CHOSEN, REJECTED = (-20.0, -14.0), (-18.0, -22.0)


def bm25() -> Canvas:
    """Return the drawing of the three parts of BM25: rarity, occurrences, length."""
    canvas = Canvas(
        760, 190, "in BM25 rare words count more, each further occurrence counts less, long texts count less"
    )
    rare = Axes(canvas, 10, 36, 200, 100, 1, TEXTS, 5)
    rare.curve(lambda n: math.log(1 + (TEXTS - n + 0.5) / (n + 0.5)), BLUE)
    rare.label("rare words count more", f"texts that have the word, of {TEXTS}")
    often = Axes(canvas, 280, 36, 200, 100, 0, 8, 1)
    often.curve(lambda f: f / (f + K1), BLUE)
    often.curve(lambda f: f / 8, GREY, "5 4")
    often.label("a second one counts less", "occurrences in the text")
    length = Axes(canvas, 550, 36, 200, 100, 0.2, 4, 1)
    length.curve(lambda ratio: 1 / (1 + K1 * (1 - B + B * ratio)), BLUE)
    length.label("long texts count less", "length of the text / mean length")
    for axes, ticks in ((rare, (1, 50, 100)), (often, (0, 4, 8)), (length, (1, 2, 4))):
        for x in ticks:
            axes.tick(x, str(x))
    canvas.words(
        10, 190, "score of a text = for each word of the query: first × (second and third together), summed", 12
    )
    canvas.words(478, 128, "dashed: all alike", 11, "end", SOFT)
    return canvas


def dpo() -> Canvas:
    """Return the drawing of one pair: how two log probabilities moved, the margin, and the loss at it."""
    up, down = CHOSEN[1] - CHOSEN[0], REJECTED[1] - REJECTED[0]
    margin = BETA * (up - down)

    def loss(m: float) -> float:
        return math.log(1 + math.exp(-m))

    canvas = Canvas(
        740,
        232,
        f"DPO: chosen {up:+g}, rejected {down:+g}, margin {margin:g}: the loss falls from log 2 to {loss(margin):.2f}",
    )
    canvas.words(0, 12, "log probability of two replies to one prompt", bold=True)
    rows = (("chosen reply", CHOSEN, GREEN, 30), ("rejected reply", REJECTED, RED, 112))
    for name, (before, after), colour, y in rows:
        canvas.words(0, y + 26, name, 13)
        for who, value, offset, fill in (("reference", before, 0, PALE), ("model", after, 26, colour)):
            canvas.box(110, y + offset, 10 * (24 + value), 20, fill, 1)
            canvas.words(116 + 10 * (24 + value), y + offset + 15, f"{who} {value:g}", 12, colour=SOFT)
        canvas.words(330, y + 28, f"{after - before:+g}", 16, bold=True, colour=colour)
    canvas.words(0, 206, "margin m = β · (change of chosen − change of rejected)", 13)
    canvas.words(0, 226, f"= {BETA} · ({up:g} − ({down:g})) = {margin:g}", 13)
    axes = Axes(canvas, 440, 30, 280, 140, -3, 3, 3.2)
    axes.curve(loss, BLUE)
    axes.label("loss = −log σ(m)", "margin m")
    for place in (-3, 0, 3):
        axes.tick(place, str(place))
    for m, text, colour in (
        (0.0, f"beginning: log 2 = {loss(0):.2f}", ORANGE),
        (margin, f"now: {loss(margin):.2f}", GREEN),
    ):
        right, down_to = axes.at(m, loss(m))
        canvas.dot(right, down_to, colour)
        canvas.words(right + 10, down_to - (10 if m == 0 else 4), text, 12)
    return canvas
