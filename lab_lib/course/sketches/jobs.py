"""The drawing of the lab about clusters: how a killed run is resumed."""

from __future__ import annotations

from lab_lib.course.sketches.canvas import GREEN, PALE, PALE_BLUE, PALE_ORANGE, RED, SOFT, Canvas

STEPS, EVERY, KILLED = 8, 2, 5  # of the run; between two checkpoints; how many are done when it is killed


def requeue() -> Canvas:
    """Return the drawing of a run without interruption, and of one that is killed and resumed from its checkpoint."""
    kept = KILLED - KILLED % EVERY
    canvas = Canvas(
        740,
        200,
        f"killed in step {KILLED + 1}, resumed from the checkpoint of step {kept}: the weights at the end are the same",
    )
    wide = 44
    canvas.words(0, 32, "whole", bold=True)
    canvas.words(0, 112, "killed", bold=True)
    for step in range(STEPS):
        canvas.labelled(60 + wide * step, 12, wide - 6, 30, str(step + 1), PALE_BLUE)
        if not (step + 1) % EVERY:
            canvas.dot(60 + wide * (step + 1) - 3, 50, GREEN, 4)
    for step in range(KILLED):
        lost = step >= kept
        canvas.labelled(
            60 + wide * step, 92, wide - 6, 30, str(step + 1), "#FFFFFF" if lost else PALE_BLUE, 0.5 if lost else 1
        )
        if not (step + 1) % EVERY:
            canvas.dot(60 + wide * (step + 1) - 3, 130, GREEN, 4)
    x = 60 + wide * KILLED
    canvas.line([(x, 80), (x + 14, 134)], RED, 3)
    canvas.line([(x + 14, 80), (x, 134)], RED, 3)
    canvas.labelled(x + 26, 92, 110, 30, "in the queue", PALE)
    start = x + 146
    for place, step in enumerate(range(kept, STEPS)):
        canvas.labelled(start + wide * place, 92, wide - 6, 30, str(step + 1), PALE_ORANGE, 1)
        if not (step + 1) % EVERY:
            canvas.dot(start + wide * (place + 1) - 9, 130, GREEN, 4)
    canvas.line([(60 + wide * kept - 3, 136), (60 + wide * kept - 3, 156), (start + 20, 156), (start + 20, 126)], GREEN)
    canvas.words((60 + wide * kept + start) / 2, 172, "resumes from the newest checkpoint", 12, "middle", SOFT)
    canvas.dot(6, 190, GREEN, 4)
    canvas.words(16, 194, "checkpoint: weights, optimiser, random state, place in the data", 12, colour=SOFT)
    canvas.words(60 + wide * STEPS + 8, 32, "the same bits at the end", 13, bold=True)
    return canvas
