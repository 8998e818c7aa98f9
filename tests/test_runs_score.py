"""The baselines of a run's table: trivial rows see the training items alone, and answer the reported items."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from lab_lib.corpora.delex import delexicalise
from lab_lib.runs.config import load_recipe, make_task
from lab_lib.runs.context import Context
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.score import baseline_rows
from lab_lib.tasks.splits import load_splits

HELD_OUT = ["data.train=dev", "data.hold_out=20", "data.report=dev"]


@pytest.mark.parametrize("settings", [[], HELD_OUT, [*HELD_OUT, "data.max_train=5"]])
def test_trivial_rows_are_drawn_from_training_items_and_answer_the_reported_ones(settings):
    config = load_recipe("town-qlora-cpu", settings)
    task = make_task(config)
    splits = load_splits(task)
    rows = baseline_rows(Context(config, task, splits, RunFolder(Path("unused")), Console(quiet=True)))
    learnt_from = {delexicalise(turn) for dialogue in splits.train for turn in dialogue.system_turns}
    due = {dialogue.key: len(dialogue.system_turns) for dialogue in splits.reported}
    assert not due.keys() & {dialogue.key for dialogue in splits.train}
    assert all({key: len(answers) for key, answers in row.predictions.items()} == due for row in rows)
    said = {a["response"] for row in rows if row.kind == "trivial" for turns in row.predictions.values() for a in turns}
    assert said <= learnt_from
