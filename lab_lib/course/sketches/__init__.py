"""Drawings of concepts, made by code: the loss mask, NF4, LoRA, the KV cache, beams, BM25, DPO, a requeued job.

    from lab_lib.course import sketch

    sketch("lora")

Each has a white background with a margin, so it is readable on light and dark pages. The numbers in a drawing are
computed by its function.
"""

from __future__ import annotations

import importlib

from lab_lib.course.sketches.canvas import Canvas
from lab_lib.errors import LabError, nearest

# The function that draws each, `module.function`; imported on first use.
SKETCHES = {
    "loss mask": "training.loss_mask",
    "nf4": "training.nf4",
    "lora": "training.lora",
    "cache": "decoding.cache",
    "beam": "decoding.beam",
    "bm25": "scores.bm25",
    "dpo": "scores.dpo",
    "requeue": "jobs.requeue",
}


def sketch(name: str) -> Canvas:
    """Return a drawing; a notebook shows it, elsewhere it is one line of text. Raises LabError for an unknown name."""
    if name not in SKETCHES:
        raise LabError(f"sketch: no drawing {name!r}{nearest(name, SKETCHES)}")
    module, _, function = SKETCHES[name].partition(".")
    drawn: Canvas = getattr(importlib.import_module(f"lab_lib.course.sketches.{module}"), function)()
    return drawn
