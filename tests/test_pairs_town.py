"""Pairs by Inform and Success of whole dialogues: the reward, the turns that decide, and what is learned from them."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
from rich.console import Console
from tiny_models import tiny_llama

from lab_lib.corpora.config import DataConfig
from lab_lib.corpora.delex import delexicalise
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model
from lab_lib.pairs.best_of import of_conversations
from lab_lib.pairs.config import PairsConfig
from lab_lib.pairs.whole import deciding_pairs
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import prompts
from lab_lib.runs.config import load_recipe
from lab_lib.runs.context import plan_run
from lab_lib.tasks.response import ResponseTask
from lab_lib.tasks.response_config import ResponseConfig

NOTHING = "is there anything else i can do ?"


def task(**settings) -> ResponseTask:
    config = ResponseConfig("response", state=True, database=True, **settings)
    return ResponseTask(config, DataConfig("town"), PromptConfig(), DecodeConfig(max_new_tokens=60))


@pytest.fixture(scope="module")
def town() -> ResponseTask:
    return task()


@pytest.fixture(scope="module")
def item(town):
    """A training dialogue that its own replies bring to success."""
    return next(one for one in town.corpus.splits["train"] if town.reward(one, gold(one)) == 1.0)


def gold(item) -> list[dict[str, str]]:
    return [{"response": delexicalise(turn)} for turn in item.system_turns]


def test_the_reward_is_inform_and_success_of_the_dialogue(town, item) -> None:
    assert town.rewards_whole and town.reward(item, [{"response": NOTHING}] * len(gold(item))) == 0.0
    facts = [{"response": one["response"].replace("[name]", "it")} for one in gold(item)]
    assert town.reward(item, facts) < 1.0  # nothing was offered by name


def test_only_turns_that_decide_make_pairs(town, item) -> None:
    """Of two dialogues, the second says nothing: a turn is a pair where the first would fail without its reply."""
    samples = (gold(item), [{"response": NOTHING}] * len(gold(item)))
    found = {(item.key, turn): [one[turn] for one in samples] for turn in range(len(gold(item)))}
    settings = PairsConfig(samples=2, ratio=100.0)
    (rows,) = of_conversations(SimpleNamespace(task=town), {item.key: item}, found, settings)
    assert 0 < len(rows) < len(gold(item))
    for row in rows:
        assert row["chosen"] == gold(item)[row["turn"]]["response"] and row["rejected"] == NOTHING
        without = [*gold(item)[: row["turn"]], {"response": NOTHING}, *gold(item)[row["turn"] + 1 :]]
        assert row["rewards"] == [1.0, town.reward(item, without)] and row["rewards"][1] <= 0.7
    same = {key: [one[0], one[0]] for key, one in found.items()}
    assert of_conversations(SimpleNamespace(task=town), {item.key: item}, same, settings) == [
        "all conversations have too similar rewards"
    ]


def test_a_reply_of_every_worse_dialogue_is_tried(town, item) -> None:
    """The worst dialogue has blank replies, which make no pair; those of the next one do."""
    blank, dull, same = ([{"response": text}] * len(gold(item)) for text in (" ", NOTHING, NOTHING))
    settings = PairsConfig(samples=4, ratio=100.0)
    rows = deciding_pairs([gold(item), blank, dull, same], partial(town.reward, item), settings)
    assert {row["rejected"] for row in rows} == {NOTHING}
    assert len({row["turn"] for row in rows}) == len(rows)  # one for each turn that decides
    assert rows == deciding_pairs([gold(item), dull], partial(town.reward, item), settings)
    nearly = [*gold(item)[:-1], {"response": NOTHING}]  # as good as the best: no reply of it is tried
    assert isinstance(deciding_pairs([gold(item), nearly], partial(town.reward, item), settings), str)


def test_a_pair_is_learned_behind_the_prompt_of_its_turn(item, tmp_path) -> None:
    base = tiny_llama(tmp_path / "base")
    tokenizer = load_model(ModelConfig(str(base), quantisation="none", dtype="fp32")).tokenizer
    path, row = tmp_path / "pairs.jsonl", {"key": item.key, "turn": 1, "chosen": "the [name] .", "rejected": "no ."}
    path.write_text(json.dumps(row) + "\n")
    one = task(pairs=str(path))
    (pair,) = one.preferences(item, tokenizer)
    assert pair.prompt == prompts(one.gold_conversation(item, tokenizer))[1].ids
    assert [tokenizer.decode(ids).strip() for ids in (pair.chosen, pair.rejected)] == ["the [name] .</s>", "no .</s>"]
    assert "pairs" in one.files() and not one.preferences(replace(item, id="another"), tokenizer)
    for change, said in (({"turn": 99}, "has no system turn 99"), ({"turn": True}, "row 1: turn is True"),
                         ({"rejected": "the [name] ."}, "is the rejected one"),
                         ({"key": ""}, "expected texts")):  # fmt: skip
        path.write_text(json.dumps({**row, **change}) + "\n")
        with pytest.raises(LabError, match=said):
            task(pairs=str(path)).preferences(item, tokenizer)


@pytest.mark.parametrize("recipe", ["dpo-town-cpu", "emotion-dpo-cpu"])
def test_preference_tuning_without_pairs_is_refused_before_anything_is_loaded(recipe) -> None:
    judges = ["task.judges=[tfidf]"] if recipe.startswith("emotion") else []  # the encoder has to be trained first
    config = load_recipe(recipe, ["model.adapter=town-adapter", *judges])
    with pytest.raises(LabError, match=r"task\.pairs names no file; make one with `lab pairs RUN`"):
        plan_run(config, ("train",), Console(quiet=True))
