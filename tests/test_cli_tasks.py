"""`lab evaluate` on state tracking and function calls: the official files in, a table and a JSON report out."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from pathlib import Path

import pytest

from lab_lib.calls.bfcl import read_bfcl
from lab_lib.files import read_json


@pytest.fixture
def lab(cli, monkeypatch, tmp_path):
    """Run `lab evaluate` in a folder of its own; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return partial(cli, "evaluate")


def small_bfcl(folder: Path) -> Path:
    """Two questions about a ferry, written here: one simple, one where no call is right."""
    function = {
        "name": "ferry.find",
        "description": "Find a ferry.",
        "parameters": {
            "type": "dict",
            "properties": {"port": {"type": "string", "description": "Port."}},
            "required": ["port"],
        },
    }
    question = [[{"role": "user", "content": "A ferry to Skellig, please."}]]
    items = {"simple_python": "simple_python_0", "irrelevance": "irrelevance_0"}
    for category, key in items.items():
        item = {"id": key, "question": question, "function": [function]}
        (folder / f"BFCL_v4_{category}.json").write_text(json.dumps(item) + "\n")
    answers = folder / "possible_answer"
    answers.mkdir()
    answer = {"id": "simple_python_0", "ground_truth": [{"ferry.find": {"port": ["Skellig"]}}]}
    (answers / "BFCL_v4_simple_python.json").write_text(json.dumps(answer) + "\n")
    return folder


def visible(page: str) -> str:
    """What a person can read of the page before its data and script; hrefs and ids are left out."""
    return re.sub(r"<style>.*?</style>|<[^>]*>", "", page.split('<script type="application/json"')[0], flags=re.S)


def test_calls_are_scored_by_category_with_typed_failures(lab, tmp_path):
    (tmp_path / "bfcl").mkdir()
    folder = small_bfcl(tmp_path / "bfcl")
    rows = [
        {"id": "simple_python_0", "result": "ferry.find(harbour='Skellig')"},
        {"id": "irrelevance_0", "result": "I cannot help with that."},
    ]
    (tmp_path / "out.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, out, err = lab("out.jsonl", "--metrics", "calls", "--corpus", folder)
    assert (code, out.strip()) == (0, "out.report.json"), err
    report = read_json(tmp_path / "out.report.json")
    assert report["accuracy"]["simple_python"] == 0.0 and report["accuracy"]["irrelevance"] == 100.0
    assert report["error_types"] and report["per_item"]["simple_python_0"]["cause"]
    assert len(report["predictions_sha256"]["out.jsonl"]) == 64 and report["signature"]
    page = (tmp_path / "out.report.html").read_text()
    assert "ferry.find(port='Skellig')" in page and report["per_item"]["simple_python_0"]["cause"] in page
    assert (
        '"verdicts":["Best assignment","Official"]' in page and "Items (2)" in page and "dialogues" not in visible(page)
    )
    top = page[: page.index("Items (2)")]  # the terminal's table stands over the items
    assert (
        '<th scope="row">simple_python</th><td class="n">0.0 <small>0.0–0.0</small></td><td class="n">0.0</td>' in top
    )
    assert "95 % intervals (bootstrap over items)" in top and "Failures: " in top


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": "simple_python_0"}', "row 1: expected an object with id and result"),
        ('{"id": "simple_python_0", "result": ""}\n' * 2, "there twice"),
        ('{"id": "other", "result": ""}', "no row has the id"),
        ('{"id": "simple_python_0", "result": ""}\n{"id": "simple_python_9", "result": ""}', "simple_python_9"),
    ],
)
def test_call_files_that_do_not_fit_are_refused(lab, tmp_path, text, message):
    (tmp_path / "bfcl").mkdir()
    (tmp_path / "out.jsonl").write_text(text)
    code, out, err = lab("out.jsonl", "--metrics", "calls", "--corpus", small_bfcl(tmp_path / "bfcl"))
    assert code == 2 and out == "" and message in " ".join(err.split()) and not (tmp_path / "out.report.json").exists()


def test_tasks_do_not_mix_and_need_their_files(lab, tmp_path):
    (tmp_path / "x.json").write_text("{}")
    assert "ask for one" in lab("x.json", "--metrics", "calls,text")[2]
    assert "needs the folder" in lab("x.json", "--metrics", "sgd", "--corpus", "nowhere")[2]
    assert "no such file" in lab("gone.json", "--metrics", "sgd")[2]


@pytest.mark.real
def test_gold_files_of_both_tasks_score_full_marks(lab, lab_data, tmp_path):
    gold = lab_data / "sgd" / "dev" / "dialogues_001.json"
    (tmp_path / "gold").mkdir()
    shutil.copy(gold, tmp_path / "gold")
    code, _, err = lab("gold", "--metrics", "sgd", "--corpus", lab_data / "sgd" / "dev", "--resamples", 50)
    assert code == 0, err
    metrics = read_json(tmp_path / "gold.report.json")["metrics"]["#ALL_SERVICES"]
    assert metrics["joint_goal_accuracy"] == metrics["active_intent_accuracy"] == 1.0

    items = read_bfcl(lab_data / "bfcl", "irrelevance")
    (tmp_path / "calls.jsonl").write_text("\n".join(json.dumps({"id": i.key, "result": "no"}) for i in items))
    assert lab("calls.jsonl", "--metrics", "calls", "--corpus", lab_data / "bfcl", "--resamples", 50)[0] == 0
    assert read_json(tmp_path / "calls.report.json")["accuracy"]["irrelevance"] == 100.0
