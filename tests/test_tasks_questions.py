"""The task `questions`: one question, one answer; ROUGE as the package computes it; the trivial rows."""

from __future__ import annotations

import pytest
from rouge_score.rouge_scorer import RougeScorer
from tiny_models import tiny_tokenizer

from lab_lib.corpora.config import DataConfig
from lab_lib.corpora.questions import Question
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import prompts
from lab_lib.tasks.questions import QuestionsConfig, QuestionsTask

ITEMS = [
    Question("record 1", "where is the hotel ?", "the hotel is in the north ."),
    Question("record 2", "when does it open ?", "it opens at 09:15 ."),
]
SOURCE = [Question("record 8", "is the hotel cheap ?", "it is cheap ."), Question("record 9", "when ?", "on monday .")]
SETTINGS = EvaluateConfig(resamples=50)


def task(prompt=None, **settings) -> QuestionsTask:
    return QuestionsTask(
        QuestionsConfig("questions", **settings), DataConfig(), prompt or PromptConfig(), DecodeConfig()
    )


@pytest.mark.parametrize("form", ["pairs", "turns"])
def test_the_answer_is_learned_and_its_prompt_is_the_beginning_of_the_example(form, tmp_path):
    tokenizer, one = tiny_tokenizer(tmp_path), task(PromptConfig(format=form, instruction="Be brief."))
    (example,) = one.examples(ITEMS[0], tokenizer)
    learned = [i for i, counts in zip(example.ids, example.loss_mask, strict=True) if counts]
    assert tokenizer.decode(learned) == " the hotel is in the north .</s>"
    (prompt,) = prompts(one.converse(ITEMS[0], tokenizer))
    assert example.ids[: len(prompt.ids)] == prompt.ids and prompt.turn == 0
    assert tokenizer.decode(prompt.ids).startswith("<s>task> Be brief.\nuser> where is the hotel ?")


@pytest.mark.parametrize("stemmer", [True, False])
def test_scores_are_those_of_the_package(stemmer):
    said = {"record 1": [{"response": "hotels in the north"}], "record 2": [{"response": "opening at 09:15"}]}
    found = task(stemmer=stemmer).score(ITEMS, said, SETTINGS)
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=stemmer)
    each = [scorer.score(one.answer, said[one.key][0]["response"]) for one in ITEMS]
    for kind in ("rouge1", "rouge2", "rougeL", "rougeLsum"):
        assert found.values[kind] == pytest.approx(100 * sum(one[kind].fmeasure for one in each) / 2)
        low, high = found.intervals[kind]
        assert low <= found.values[kind] <= high
    assert found.values["length"] == 3.5 and f"stemmer:{'yes' if stemmer else 'no'}" in found.signature
    assert "length" not in found.intervals and not any(verdict.marks["Exact"] for verdict in found.per_item.values())


def test_trivial_rows_copy_the_question_or_take_the_nearest_of_the_source_alone():
    gold, copied, nearest = task().baselines(ITEMS, SOURCE, seed=0)
    assert [row.kind for row in (gold, copied, nearest)] == ["oracle", "trivial", "trivial"]
    assert task().score(ITEMS, gold.predictions, SETTINGS).values["rougeL"] == 100
    assert copied.predictions["record 1"][0]["response"] == ITEMS[0].question
    assert [nearest.predictions[one.key][0]["response"] for one in ITEMS] == ["it is cheap .", "on monday ."]


def test_a_question_with_two_answers_is_refused():
    with pytest.raises(LabError, match="record 1: 2 predicted answers, expected 1"):
        task().score(ITEMS, {"record 1": [{"response": "a"}, {"response": "b"}]}, SETTINGS)


@pytest.mark.parametrize(
    "wrong",
    [{"keys": ("a",)}, {"keys": ("a", "a")}, {"train_size": 0.0}, {"train_size": 1.0}, {"validation_size": 1.5}],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(LabError, match=f"task.{next(iter(wrong))}="):
        QuestionsConfig("questions", **wrong)


def test_a_person_can_ask_and_each_question_stands_alone(tmp_path):
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    item = task().item_from({"messages": messages})
    assert item.question == "c" and item.earlier == ("a",)
    asked = prompts(task().converse(item, tiny_tokenizer(tmp_path)))
    alone = prompts(task().converse(Question("chat", "c", "?"), tiny_tokenizer(tmp_path)))
    assert [prompt.turn for prompt in asked] == [0, 1] and asked[1].ids == alone[0].ids
    assert task().chat_notes() and task().converses
