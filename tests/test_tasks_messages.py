"""The task `messages`: which answers are learned and asked for, trivial rows, the perplexity of the references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from corridor_tasks.messages import chat
from tiny_models import tiny_llama

from lab_lib.corpora.chats.types import Chat, Said
from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Row
from lab_lib.evaluation.surprise import reference_surprise
from lab_lib.evaluation.text import score_text
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import prompts
from lab_lib.tasks.messages import MessagesConfig, MessagesTask

SETTINGS = EvaluateConfig(resamples=50)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    base = tiny_llama(tmp_path_factory.mktemp("base"))
    return load_model(ModelConfig(str(base), quantisation="none", dtype="fp32"))


def task(prompt=None, **settings) -> MessagesTask:
    return MessagesTask(MessagesConfig("messages", **settings), DataConfig(), prompt or PromptConfig(), DecodeConfig())


def learned(examples, tokenizer):
    """Return the supervised text of some examples."""
    ids = [i for e in examples for i, counts in zip(e.ids, e.loss_mask, strict=True) if counts]
    return tokenizer.decode(ids)


@pytest.mark.parametrize(
    ("number", "learn", "supervised", "turns"),
    [
        (1, "all", "the train is here .</s> you are welcome .</s>", [0, 1]),
        (1, "last", "you are welcome .</s>", [1]),
        (3, "all", "you are welcome .</s>", [1]),  # its first answer has weight 0
    ],
)
def test_what_is_learned_is_what_is_asked_for(number, learn, supervised, turns, loaded):
    one, item, tokenizer = task(learn=learn), chat(number), loaded.tokenizer
    examples = one.examples(item, tokenizer)
    assert learned(examples, tokenizer).split() == supervised.split()
    asked = prompts(one.converse(item, tokenizer))
    assert [prompt.turn for prompt in asked] == list(range(len(turns)))  # predictions count what is due
    assert len(examples) == 1
    for prompt in asked:  # a prompt is the beginning of its example
        assert examples[0].ids[: len(prompt.ids)] == prompt.ids
    each = task(PromptConfig(format="turns"), learn=learn).examples(item, tokenizer)
    assert [example.last for example in each] == turns and learned(each, tokenizer) == learned(examples, tokenizer)
    assert tokenizer.decode(asked[0].ids).startswith("<s>task> Be brief.\nuser>")


def test_an_instruction_stands_where_there_is_no_system_message(loaded):
    one = task(PromptConfig(instruction="Help."))
    assert one.messages(chat(1))[0].text == "Be brief."
    bare = Chat("a", chat(1).messages[1:])
    assert one.messages(bare)[0].text == "Help."
    late = Chat("b", (*bare.messages[:2], Said("system", "now in rhymes"), *bare.messages[2:]))
    assert [(m.role, m.name) for m in one.messages(late)][3] == ("tool", "context")


def test_trivial_rows_come_from_the_source_alone():
    one, items, source = task(), [chat(31), chat(32)], [chat(1), chat(2), chat(4)]
    gold, usual, nearest = one.baselines(items, source, seed=0)
    assert [row.kind for row in (gold, usual, nearest)] == ["oracle", "trivial", "trivial"]
    assert {answer["response"] for answers in usual.predictions.values() for answer in answers} == {"you are welcome ."}
    assert nearest.predictions["line 31"][0]["response"] == "the train is here ."
    assert one.score(items, gold.predictions, SETTINGS).values["exact_match"] == 100


def test_scores_are_those_of_the_texts_and_perplexity_is_of_the_references(loaded):
    one, items = task(), [chat(1), chat(3)]
    measured = reference_surprise({item.key: one.examples(item, loaded.tokenizer) for item in items}, loaded)
    assert {key: tokens for key, (_, tokens) in measured.items()} == {
        item.key: sum(sum(e.loss_mask) for e in one.examples(item, loaded.tokenizer)) for item in items
    }
    one.surprise = measured
    first = [prompts(one.converse(item, loaded.tokenizer))[0] for item in items]
    predictions = {
        item.key: [{"response": "the train is there .", **prompt.facts}, {"response": "you are welcome ."}][-count:]
        for item, prompt, count in zip(items, first, (2, 1), strict=True)
    }
    predictions["line 3"][0] |= first[1].facts
    found = one.score(items, predictions, SETTINGS)
    replies = ["the train is there .", "you are welcome .", "you are welcome ."]
    references = ["the train is here .", "you are welcome .", "you are welcome ."]
    texts = score_text(replies, references, ["a", "a", "b"], resamples=0)
    assert found.values["chrf"] == texts.chrf and found.values["exact_match"] == pytest.approx(200 / 3)
    total, tokens = np.sum(list(measured.values()), axis=0)
    assert found.values["perplexity"] == pytest.approx(math.exp(total / tokens))
    low, high = found.intervals["perplexity"]
    assert 1 < low <= found.values["perplexity"] <= high
    assert [verdict.marks for verdict in found.per_item.values()] == [{"Exact": False}, {"Exact": True}]
    view = one.view(items[0], [Row("mine", "other", predictions, found)])
    assert view.turns[0].answers == {"mine": "the train is there ."} and view.facts["system"]["text"] == "Be brief."


def test_an_item_with_an_answer_too_few_is_refused():
    with pytest.raises(LabError, match="line 1: 1 predicted answers, expected 2"):
        task().score([chat(1)], {"line 1": [{"response": "a"}]}, SETTINGS)


def test_two_different_keys_or_none():
    with pytest.raises(LabError, match="expected two keys"):
        MessagesConfig("messages", keys=("a", "a"))
