"""Example dialogues in every prompt (`task.examples`): drawn once per run and stored in its folder."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from lab_lib.corpora.types import Corpus, Dialogue
from lab_lib.errors import LabError
from lab_lib.files import read_json, reading, write_json
from lab_lib.tasks.base import Log

FILE = "examples.json"  # in the prepared folder of a run


def draw_examples(source: Sequence[Dialogue], count: int, seed: int, path: Path, log: Log) -> None:
    """Draw dialogues of `source` without replacement and write their keys. Raises LabError for fewer than `count`."""
    if len(source) < count:
        raise LabError(f"task.examples={count}: there are only {len(source)} training dialogues")
    keys = [dialogue.key for dialogue in random.Random(seed).sample(list(source), count)]
    log(f"examples before every prompt: {', '.join(keys)} (drawn from {len(source)} training dialogues, seed {seed})")
    write_json(path / FILE, {"dialogues": keys})


def read_examples(corpus: Corpus, path: Path | None) -> list[Dialogue]:
    """Return the dialogues that a run drew, in their order; `path` is the folder that it prepared.

    Raises LabError where there is none, and for a key that the corpus lacks.
    """
    if path is None:
        raise LabError("task.examples: only 'lab run' draws these dialogues")
    known = {dialogue.key: dialogue for split in corpus.splits.values() for dialogue in split}
    drawn = read_json(path / FILE)
    with reading(path / FILE, "the dialogues that a run shows as examples"):
        return [known[key] for key in drawn["dialogues"]]
