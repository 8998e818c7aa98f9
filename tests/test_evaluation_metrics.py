"""The scorers as metrics of Hugging Face `evaluate`: they load offline and give the scorers' own numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sgd_harbour as harbour
from tiny_corpus import write_tiny_corpus

import lab_lib
from lab_lib.corpora.multiwoz import read_multiwoz
from lab_lib.errors import LabError
from lab_lib.evaluation.baselines import gold_replies
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.evaluation.text import score_text
from lab_lib.files import write_json, write_jsonl

evaluate = pytest.importorskip("evaluate")
NAMES = ("mwz", "sgd", "calls", "text", "emotion")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_corpus(tmp_path_factory.mktemp("corpus"))


def rows(predictions):
    return [{"dialogue": key, "turn": n, **turn} for key, turns in predictions.items() for n, turn in enumerate(turns)]


def test_every_metric_loads_in_a_fresh_process_without_network(tmp_path):
    code = "import evaluate, lab_lib\n"
    code += "".join(f"print(evaluate.load(lab_lib.metric_path({name!r})).name)\n" for name in NAMES)
    nowhere = {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "empty")}
    root = str(Path(lab_lib.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **nowhere, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(NAMES)


def test_unknown_metrics_are_refused():
    with pytest.raises(LabError, match="no metric 'mzw'; did you mean 'mwz'"):
        lab_lib.metric_path("mzw")
    with pytest.raises(LabError, match="no metric '__init__'"):
        lab_lib.metric_path("__init__")


@pytest.fixture(scope="module")
def mwz():
    return evaluate.load(lab_lib.metric_path("mwz"))


def test_mwz_takes_rows_and_text(mwz, corpus):
    read = read_multiwoz(corpus, corpus, "tiny")
    gold = gold_replies(read.splits["train"])
    gold["tin0001"][0]["response"] = "[name] is [rating]"
    wanted = MwzScorer.from_corpus(read, "train").score(gold, resamples=10)
    place = {"corpus": str(corpus), "split": "train", "resamples": 10}
    found = mwz.compute(predictions=list(reversed(rows(gold))), **place)  # in any order
    assert found["bleu"] == wanted.bleu < 100 and found["combined"] == wanted.combined
    assert found["intervals"] == wanted.intervals and found["notes"] == wanted.notes
    assert found == mwz.compute(predictions=json.dumps(gold), **place)
    assert found == mwz.compute(predictions=[json.dumps({key: gold[key]}) for key in gold], **place)
    for row in rows(gold):
        mwz.add_batch(predictions=[row])
    assert mwz.compute(**place)["bleu"] == wanted.bleu


def test_mwz_text_may_hold_states(mwz, corpus):
    gold = gold_replies(read_multiwoz(corpus, corpus, "tiny").splits["train"])
    blind = {key: [{**turn, "state": {}} for turn in turns] for key, turns in gold.items()}
    found = mwz.compute(predictions=json.dumps(blind), corpus=str(corpus), split="train")
    assert found["inform"] == 0 and "states:given" in found["signature"]


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([{"dialogue": "tin0001", "turn": 0, "response": 5}], "row 0 is {'dialogue': 'tin0001'"),
        ([{"dialogue": "tin0001", "turn": 0, "response": float("nan")}], "expected dialogue, turn"),
        ([{"dialogue": "tin0001", "turn": True, "response": "a"}], "expected dialogue, turn"),
        ([{"dialogue": "tin0001", "turn": 0, "response": "a"}] * 2, "turn 0 of tin0001 occurs twice"),
        ([{"dialogue": "tin0001", "turn": 1, "response": "a"}], "turn 0 of tin0001 is missing"),
        ([{"dialogue": "tin001", "turn": 0, "response": "a"}], "did you mean 'tin0001'?"),
        ("{", "text 0 is no JSON"),
        ("[]", "text 0: expected"),
        (['{"tin0001": []}'] * 2, "dialogue tin0001 occurs twice"),
        ([3], "row 0 is 3"),
    ],
)
def test_mwz_refuses_other_predictions(mwz, corpus, predictions, message):
    with pytest.raises(LabError) as caught:
        mwz.compute(predictions=predictions, corpus=str(corpus), split="train")
    assert message in str(caught.value)


def test_text_and_emotion():
    text = evaluate.load(lab_lib.metric_path("text"))
    found = text.compute(predictions=["hotels", "a b"], references=["hotel", "a b"], stemmer=True, resamples=10)
    assert found == score_text(["hotels", "a b"], ["hotel", "a b"], stemmer=True, resamples=10).as_json()
    emotion = evaluate.load(lab_lib.metric_path("emotion"))
    for labels, truth in (([0, 1], [0, 0]), (["neutral", "anger"], ["neutral", "neutral"])):
        assert emotion.compute(predictions=labels, references=truth)["accuracy"] == 0.5
    with pytest.raises(LabError, match="did you mean 'anger'"):
        emotion.compute(predictions=["angry"], references=["anger"])


def test_calls(tmp_path):
    parameters = {"type": "dict", "properties": {"size": {"type": "integer", "description": ""}}, "required": ["size"]}
    function = {"name": "grow", "description": "", "parameters": parameters}
    items = [{"id": f"simple_python_{n}", "question": [[]], "function": [function]} for n in range(2)]
    answers = [{"id": item["id"], "ground_truth": [{"grow": {"size": [4]}}]} for item in items]
    write_jsonl(tmp_path / "BFCL_v4_simple_python.json", items)
    write_jsonl(tmp_path / "possible_answer" / "BFCL_v4_simple_python.json", answers)
    metric = evaluate.load(lab_lib.metric_path("calls"))
    outputs = ["[grow(size=4)]", "[grow(size=5)]"]
    predictions = [{"id": item["id"], "output": output} for item, output in zip(items, outputs, strict=True)]
    found = metric.compute(predictions=predictions, folder=str(tmp_path), category="simple_python")
    assert found["accuracy"]["simple_python"] == 50
    assert metric.compute(predictions=predictions, folder=str(tmp_path))["accuracy"] == found["accuracy"]
    with pytest.raises(LabError, match="item simple_python_0 occurs twice"):
        metric.compute(predictions=predictions[:1] * 2, folder=str(tmp_path))


def test_sgd(tmp_path):
    gold = harbour.dialogue(harbour.user(harbour.frame("Inns_1", town="Tolvey")), harbour.system())
    write_json(tmp_path / "dialogues_001.json", [{**gold, "dialogue_id": "1_00000"}])
    schema = write_json(tmp_path / "schema.json", harbour.SCHEMA)
    metric = evaluate.load(lab_lib.metric_path("sgd"))
    place = {"folder": str(tmp_path), "train_schema": str(schema)}
    found = metric.compute(predictions=[json.dumps({**gold, "dialogue_id": "1_00000"})], **place)
    assert found["metrics"]["#ALL_SERVICES"]["joint_goal_accuracy"] == 1
    with pytest.raises(LabError, match="text 0: expected a dialogue with dialogue_id"):
        metric.compute(predictions=["{}"], **place)
    with pytest.raises(LabError, match="text 0 is no JSON"):
        metric.compute(predictions=["{"], **place)
