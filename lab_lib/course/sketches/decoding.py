"""Drawings of the lab about decoding: the cache of keys and values, and beams."""

from __future__ import annotations

from lab_lib.course.sketches.canvas import BLUE, INK, PALE, PALE_BLUE, PALE_ORANGE, SOFT, Canvas

REPLY = ("There", "are", "two", "places", ".")
# The probabilities of next words after each beginning, for a beam search of two beams.
NEXT = {
    "": {"The": 0.5, "It": 0.4},
    "The": {"hotel": 0.4, "price": 0.3},
    "It": {"is": 0.9, "has": 0.05},
}
BEAMS = 2


def cache() -> Canvas:
    """Return the drawing of the tokens that are computed at each step, without a cache and with one."""
    steps = len(REPLY)
    every = steps * (steps + 1) // 2
    canvas = Canvas(740, 236, f"without a cache {every} tokens are computed for {steps} steps, with one {steps}")
    for left, kept, title in (
        (0, False, f"without a cache: {every} tokens computed"),
        (380, True, f"with a cache: {steps}"),
    ):
        canvas.words(left, 12, title, bold=True)
        for row in range(steps):
            canvas.words(left, 48 + 34 * row, f"step {row + 1}", 12, colour=SOFT)
            for column in range(row + 1):
                stored = kept and column < row
                x, y = left + 50 + 58 * column, 28 + 34 * row
                canvas.labelled(x, y, 54, 28, REPLY[column], PALE_BLUE if stored else PALE_ORANGE, 0.5 if stored else 2)
    canvas.box(0, 214, 18, 14, PALE_ORANGE, 2)
    canvas.words(26, 226, "computed in this step", 12, colour=SOFT)
    canvas.box(380, 214, 18, 14, PALE_BLUE, 0.5)
    canvas.words(406, 226, "its keys and values are kept, and read again", 12, colour=SOFT)
    return canvas


def beam() -> Canvas:
    """Return the drawing of two steps of a beam search, whose best reply greedy search does not find."""
    ends = {(a, b): NEXT[""][a] * p for a in NEXT[""] for b, p in NEXT[a].items()}
    best = sorted(ends, key=lambda path: -ends[path])[:BEAMS]
    first = max(NEXT[""], key=lambda word: NEXT[""][word])
    greedy = first, max(NEXT[first], key=lambda word: NEXT[first][word])
    says = f"beams keep the {BEAMS} likeliest beginnings and find {' '.join(best[0])!r} ({ends[best[0]]:.2f}); "
    canvas = Canvas(700, 236, f"{says}greedy search ends with {' '.join(greedy)!r} ({ends[greedy]:.2f})")
    canvas.labelled(0, 92, 70, 32, "bot>", PALE)
    for row, (word, p) in enumerate(NEXT[""].items()):
        middle = 48 + 120 * row
        canvas.arrow(72, 108, 168, middle, BLUE if word == first else SOFT, 3 if word == first else 1.5)
        canvas.words(112, (108 + middle) / 2 - 8 + 26 * row, f"{p:.2f}", 12, "middle")
        canvas.labelled(170, middle - 16, 70, 32, word, PALE_ORANGE, 2.5)
        for place, (after, q) in enumerate(NEXT[word].items()):
            path, y = (word, after), middle - 30 + 60 * place
            canvas.arrow(242, middle, 338, y, BLUE if path == greedy else SOFT, 3 if path == greedy else 1.5)
            canvas.words(286, (middle + y) / 2 - 8 + 24 * place, f"{q:.2f}", 12, "middle")
            kept = path in best
            canvas.labelled(340, y - 16, 70, 32, after, PALE_ORANGE if kept else "#FFFFFF", 2.5 if kept else 0.5)
            verdict = "kept" if kept else "dropped"
            product = f"{p:.2f} × {q:.2f} = {p * q:.2f}"
            canvas.words(424, y + 5, f"{product}  {verdict}", 13, colour=INK if kept else SOFT, bold=kept)
    canvas.line([(0, 228), (30, 228)], BLUE, 3)
    canvas.words(38, 232, "greedy search", 12, colour=SOFT)
    canvas.box(170, 220, 18, 14, PALE_ORANGE, 2.5)
    canvas.words(196, 232, f"kept by {BEAMS} beams", 12, colour=SOFT)
    return canvas
