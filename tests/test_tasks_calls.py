"""The task `calls`: what the model sees of a question, and the scores as every table takes them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from corridor_tasks.calls import OFFERED, FerryTask, function, question
from tiny_models import tiny_tokenizer

from lab_lib.calls.bfcl import CallItem, Expected
from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import compare
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import prompts
from lab_lib.tasks.calls import CallsConfig, CallsTask
from lab_lib.tasks.calls_scores import metrics_of
from lab_lib.tasks.calls_text import gold_text, question_messages
from lab_lib.tasks.splits import load_splits

SETTINGS = EvaluateConfig(resamples=50)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def ferry(**settings) -> FerryTask:
    return FerryTask(CallsConfig("ferry", **settings), DataConfig(), PromptConfig(), DecodeConfig())


@pytest.mark.parametrize(
    ("category", "accepted", "text"),
    [
        ("multiple", {"port": ("north", "N")}, 'find_ferry(port="north")'),
        ("multiple", {"port": ("", "north")}, 'find_ferry(port="north")'),
        ("multiple", {"port": ("",)}, "find_ferry()"),
        ("multiple", {"port": ("north",), "never described": (1,)}, 'find_ferry(port="north")'),
        ("multiple", {"port": ([{"name": ("", "a"), "left_out": ("",)}],)}, "find_ferry(port=[{'name': 'a'}])"),
        ("relevance", None, "find_ferry()"),
        ("live_irrelevance", None, "[]"),
    ],
)
def test_expected_calls_as_text(category, accepted, text):
    answers = (Expected("find_ferry", accepted),) if accepted else ()
    assert gold_text(CallItem("", category, (), tuple(map(function, OFFERED)), answers)) == text


def test_functions_and_instruction_stand_in_one_system_message():
    item = question("train", 0)
    system, user = question_messages(item, "Call a function.")
    assert system.is_instruction and system.text.startswith('Call a function. Functions: [{"name": "find_ferry"')
    assert '"required": ["port"]' in system.text and user.text == "0 people want a ferry to the north"


def test_the_leaderboards_files_are_a_test_set_that_scores_models_as_they_are(tmp_path, cli, monkeypatch):
    monkeypatch.delenv("LAB_DATA", raising=False)
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    code, _, error = cli("run", "bfcl-tiny-zero-shot", "--out", tmp_path / "run")
    assert code == 2 and "no 'bfcl' here" in error and "in LAB_DATA" in " ".join(error.split())
    (tmp_path / "bfcl" / "possible_answer").mkdir(parents=True)
    asked = [{"role": "user", "content": "a ferry to the north"}]
    offered = {"type": "dict", "properties": {"port": {"type": "string", "description": ""}}, "required": ["port"]}
    functions = [{"name": "find_ferry", "description": "Finds one.", "parameters": offered}]
    row = {"id": "multiple_0", "question": [asked], "function": functions}
    (tmp_path / "bfcl" / "BFCL_v4_multiple.json").write_text(json.dumps(row))
    answer = {"id": "multiple_0", "ground_truth": [{"find_ferry": {"port": ["north"]}}]}
    (tmp_path / "bfcl" / "possible_answer" / "BFCL_v4_multiple.json").write_text(json.dumps(answer))
    for name in ("bfcl", str(tmp_path / "bfcl")):
        task = CallsTask(CallsConfig("calls"), DataConfig(name), PromptConfig(), DecodeConfig())
        splits = load_splits(task)
        assert [item.key for item in splits.reported] == ["multiple_0"] and splits.train == splits.dev == ()
        assert [row.name for row in task.baselines(splits.reported, (), 0)] == ["gold calls", "no call"]
        assert {"BFCL_v4_multiple.json", "possible_answer/BFCL_v4_multiple.json"} == set(task.files())
    assert task.only_tests and not ferry().only_tests
    code, _, error = cli("run", "bfcl-tiny-zero-shot", "training.steps=3", "--out", tmp_path / "run")
    assert code == 2 and "data.corpus=bfcl" in " ".join(error.split())
    assert not (tmp_path / "run").exists()


def test_a_prompt_is_the_beginning_of_its_example(tokenizer):
    item = question("train", 0)
    task = CallsTask(CallsConfig("calls"), DataConfig(), PromptConfig(), DecodeConfig())
    (example,), (prompt,) = task.examples(item, tokenizer), prompts(task.converse(item, tokenizer))
    assert example.ids[: len(prompt.ids)] == prompt.ids and not any(example.loss_mask[: len(prompt.ids)])
    assert all(example.loss_mask[len(prompt.ids) :]) and prompt.constraint is None


def test_two_steps_are_constrained_and_the_answer_knows_the_draft(tokenizer):
    item, task = question("train", 0), ferry()
    talk = task.converse(item, tokenizer)
    draft = next(talk)
    written = []
    while tokenizer.eos_token_id not in written:  # the last of the tokens allowed, again and again
        written.append(max(draft.constraint.allowed(written)))
    answer = talk.send(written)
    assert (draft.asks, answer.asks) == ("call", "reply")
    assert answer.ids[: len(draft.ids) + len(written)] == (*draft.ids, *written)
    assert answer.facts["call"].split("(")[0] in {*OFFERED, "[]"}


def test_scores_are_additive_and_compare_systems():
    task = ferry()
    items = task.load()["test"]
    gold, none, usual = (row.predictions for row in task.baselines(items, task.load()["train"], 0))
    best, worst = (task.score(items, predictions, SETTINGS) for predictions in (gold, none))
    for scores in (best, worst):
        assert scores.of_counts(scores.counts.sum(axis=0)) == scores.values
        assert scores.values.keys() == scores.intervals.keys() == {metric.key for metric in task.metrics}
    assert best.values["accuracy"] == 100 and 0 < worst.values["accuracy"] < 100
    assert compare(best, worst, 50)["accuracy"].difference == 100 - worst.values["accuracy"]
    assert len({turns[0]["response"] for turns in usual.values()} - {"[]"}) == 1


def test_metrics_are_of_the_categories_there_are():
    four = ("simple_python", "multiple", "parallel", "parallel_multiple")
    keys = [metric.key for metric in metrics_of(four)]
    assert keys[2:] == [*four, "non_live_ast", "parallel_best", "parallel_multiple_best", "non_live_ast_best"]
    assert [metric.key for metric in ferry().metrics] == ["accuracy", "best_assignment", "multiple", "irrelevance"]


def test_an_item_has_one_output():
    task = ferry()
    items = task.load()["test"]
    answers = {items[0].key: [{"response": "[]"}, {"response": "[]"}]}
    with pytest.raises(LabError, match="item test30: 2 outputs, expected one"):
        task.score(items, answers, SETTINGS)


def test_decoded_calls_are_judged_and_shown():
    task = ferry()
    items = task.load()["test"][:2]
    rows = task.baselines(items, items, 0)
    answers = {items[0].key: [{"response": [{"find_ferry": {"port": "north"}}]}]}
    scores = task.score(items, answers, SETTINGS)
    assert scores.items == 1 and np.isfinite(list(scores.values.values())).all()
    mine = type(rows[0])("mine", "other", answers)
    assert task.view(items[0], [*rows, mine]).turns[0].answers == {"mine": "[{'find_ferry': {'port': 'north'}}]"}
    assert task.view(items[1], [mine]).turns[0].answers == {}
