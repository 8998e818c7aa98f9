"""A small JSON list of questions and answers, and the settings of a dataflow that takes seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

THINGS = ("hotel", "train", "museum", "river", "garden", "market", "bridge", "castle", "tower", "school")
RECORDS = [
    record
    for thing in THINGS
    for record in (
        {"ask": f"where can the {thing} be found ?", "say": f"the {thing} is in the north of the city ."},
        {"ask": f"when does the {thing} open on monday ?", "say": f"at 09:15 the {thing} is open for you ."},
    )
]
QUICK = [
    *("training.steps=3", "training.batch_size=4", "training.micro_batch_size=4", "training.evaluate_every=3"),
    *("training.evaluate_dialogues=2", "training.log_every=1", "training.learning_rate=0.02", "lora.embeddings=false"),
    *("lora.rank=4", "decoding.max_new_tokens=6", "evaluation.resamples=20"),
]


def write_questions(path: Path, records: Any = RECORDS) -> Path:
    """Write a JSON list with the keys `ask` and `say`."""
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def settings(data: Path, base: Path) -> list[str]:
    """Return the assignments that make the recipe a quick run on this file and model."""
    return [f"data.corpus={data}", "task.keys=[ask, say]", f"model.name={base}", *QUICK]
