"""Rows of a sample: 200 test items that are the same for everybody, here 20 of the town's 60."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import submission_checkout
from submission_checkout import RECORD, only, recorded

from lab_lib.corpora.load import load_corpus
from lab_lib.errors import LabError
from lab_lib.evaluation.baselines import random_replies
from lab_lib.files import read_json
from lab_lib.submissions.benchmark import find_benchmark
from lab_lib.submissions.check import check_all
from lab_lib.submissions.render import stale, write
from lab_lib.submissions.submit import submit_run
from lab_lib.tasks.splits import draw

good, root = submission_checkout.good, submission_checkout.root


@pytest.fixture(autouse=True)
def sample_of_20(monkeypatch):
    for room in ("benchmark", "submit"):
        monkeypatch.setattr(f"lab_lib.submissions.{room}.SAMPLE", 20)
    find_benchmark.cache_clear()
    yield
    find_benchmark.cache_clear()


def a_run(root: Path, seed: int, keys: set[str], data_seed: int = 0) -> Path:
    """Write a run whose replies to some dialogues are random ones, of another seed than the row's that is there."""
    town, run = load_corpus("town"), root.parent / "run"
    replies = random_replies(town.splits["test"], town.splits["train"], seed)
    rows = [
        {"dialogue": key, "turn": turn, **said}
        for key, turns in replies.items() if key in keys for turn, said in enumerate(turns)
    ]  # fmt: skip
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (run / "predictions" / "finetuned.jsonl").write_text(lines, encoding="utf-8")
    recorded(run, config={**RECORD["config"], "data": {"max_test": 20, "seed": data_seed}})
    return run


def drawn(seed: int = 0) -> set[str]:
    return {dialogue.key for dialogue in draw(load_corpus("town").splits["test"], 20, seed)}


def submit(run: Path, root: Path) -> Path:
    return submit_run(run, "training", "bea", root, "finetuned", "a few replies", None)


def test_a_row_of_the_sample_is_taken_and_says_its_size(root):
    path = submit(a_run(root, 5, drawn()), root)
    row = read_json(path)
    assert row["dialogues"] == 20 and row["references_sha256"] == read_json(only_other(root, path))["references_sha256"]
    assert check_all(root).faults == []
    write(root)
    assert stale(root) == [] and "| a few replies, 20 of 60 | lab-tiny |" in (root / "README.md").read_text()
    assert "a few replies, 20 of 60 (bea)" in (root / "figures" / "training-town.svg").read_text()


def only_other(root: Path, path: Path) -> Path:
    (other,) = set((root / "training").glob("*.json")) - {path}
    return other


@pytest.mark.parametrize(
    ("keys", "data_seed", "message"),
    [
        (drawn(1), 1, "dialogue .*: 0 of"),  # of another seed: whoever could choose it could choose the luckiest
        (drawn(1), 0, "is not in the sample of 20"),
        (set(sorted(drawn())[1:]), 0, "dialogue .*: 0 of"),
    ],
)
def test_other_parts_of_the_test_set_are_refused(root, keys, data_seed, message):
    with pytest.raises(LabError, match=message):
        submit(a_run(root, 5, keys, data_seed), root)


def test_a_part_of_another_row_is_a_copy(root):
    submit(a_run(root, 1, drawn()), root)  # the replies of the row that is there
    (fault,) = check_all(root).faults
    assert "the same predictions as" in fault and only(root, "speed")
