"""The tables that students fill, and the corpora their rows may be scored on."""

from __future__ import annotations

from dataclasses import dataclass

from lab_lib.errors import LabError, nearest


@dataclass(frozen=True)
class Task:
    """One table: its heading, the question it answers, and whether its rows are scored (or are speeds)."""

    title: str
    question: str
    scored: bool = True


TASKS = {
    "speed": Task("Task 0: speed", "How many iterations a second does your machine make?", scored=False),
    "off-the-shelf": Task("Models off the shelf", "What does a model score that was not fine-tuned here?"),
    "decoding": Task("Decoding", "What does a way of writing replies score, with the same weights?"),
    "training": Task("Fine-tuning", "What does a fine-tuned model score?"),
}
# Corpora whose test dialogues everybody can have: bundled, or fetched with checksums.
CORPORA = {"town": "The bundled town", "multiwoz22": "MultiWOZ 2.2"}
# Where the trivial rows take their replies from: the same dialogues everywhere, whichever splits a machine has.
TRIVIAL_FROM = {"town": "train", "multiwoz22": "dev"}
SPLIT = "test"  # choosing is for dev; a row reports what was chosen, once


def find_task(name: str) -> Task:
    """Return a task by name. Raises LabError for an unknown one."""
    if name not in TASKS:
        raise LabError(f"task {name!r}: unknown{nearest(name, TASKS)}")
    return TASKS[name]
