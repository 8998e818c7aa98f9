"""Pairs of replies with a requested emotion: `lab pairs` on a run, the weights of its reward, what is written down."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_llama

from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError
from lab_lib.evaluation.perplexity import model_log_probs
from lab_lib.files import read_json, read_jsonl, sha256
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.tagged import chat_source
from lab_lib.runs.config import RunConfig
from lab_lib.runs.folder import open_folder
from lab_lib.tasks.emotion import EmotionConfig, EmotionTask
from lab_lib.training.lora import LoraConfig, attach_lora


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run whose adapter is saved, as after training; its replies are random bytes."""
    folder = tmp_path_factory.mktemp("pairs")
    model = ModelConfig(str(tiny_llama(folder / "base")), quantisation="none", dtype="fp32")
    config = RunConfig(
        task=EmotionConfig("emotion", embedder=None), data=DataConfig("everyday"), model=model,
        lora=LoraConfig(rank=4), decoding=DecodeConfig(max_new_tokens=12),
    )  # fmt: skip
    adapted, _ = attach_lora(load_model(model, for_training=True).model, config.lora)
    adapted.save_pretrained(open_folder(config, folder / "run").adapter)
    return folder / "run"


def task(prompt: PromptConfig | None = None, **settings) -> EmotionTask:
    config = EmotionConfig("emotion", **{"embedder": None, **settings})
    return EmotionTask(config, DataConfig("everyday"), prompt or PromptConfig(), DecodeConfig(max_new_tokens=8))


WEIGHTS = ("task.reward_control=0", "task.reward_ending=0", "task.reward_length=3", "task.reward_words=2")


def test_pairs_are_chosen_with_the_weights_given_and_say_with_what(run: Path, cli) -> None:
    sampling = ("items=3", "asks=2", "samples=4", "gap=0.1", "ratio=100", "seed=7")
    code, out, err = cli("pairs", run, *sampling, *WEIGHTS)
    assert code == 0, err
    rows, origin = read_jsonl(run / "pairs.jsonl"), read_json(run / "pairs.origin.json")
    assert rows and str(run / "pairs.jsonl") in out
    for row in rows:  # by length alone
        costs = [-3 * min(1.0, abs(len(row[kind].split()) / 2 - 1)) for kind in ("chosen", "rejected")]
        assert row["rewards"] == pytest.approx(costs) and costs[0] > costs[1]
    weights = {"control": 0.0, "ending": 0.0, "length": 3.0, "words": 2, "fluency": 0.0, "fluency_model": "lab-tiny"}
    assert origin["reward"]["weights"] == {f"reward_{name}": value for name, value in weights.items()}
    judge = origin["reward"]["judge"]
    assert (judge["judge"], judge["corpus"], judge["half"]) == ("tfidf", "everyday", "reward")
    assert "card.json" in judge["sha256"] and all(len(digest) == 64 for digest in judge["sha256"].values())
    assert origin["run"]["folder"] == str(run.resolve()) and origin["settings"]["seed"] == 7
    saved = run / "adapter" / "adapter_model.safetensors"
    assert origin["run"]["adapter"][saved.name] == sha256(saved)
    assert origin["pairs"]["sha256"] == sha256(run / "pairs.jsonl")


def test_other_settings_of_the_run_cannot_be_changed(run: Path, cli) -> None:
    for setting, said in (("task.template=words", "the run's own settings hold"),
                          ("task.reward_contrl=2", "did you mean 'reward_control'"),
                          ("item=2", "did you mean 'items'")):  # fmt: skip
        code, _, err = cli("pairs", run, setting)
        assert code != 0 and said in " ".join(err.split())


def test_fluency_is_rewarded_by_the_log_probability_per_token_of_a_model_that_does_not_measure_it() -> None:
    one = task(reward_control=0.0, reward_ending=0.0, reward_length=0.0, reward_fluency=0.5)
    item, texts = one.talks.splits["train"][0], ["I am so happy to see you.", "to am so you happy see.", ""]
    answers = [{"response": text, "emotion": "happiness"} for text in texts]
    judge = load_model(ModelConfig("lab-tiny", quantisation="none"))
    past = judge.tokenizer(" ".join(said.text for said in item.said[: 2 * len(item.turns) - 1]))["input_ids"]
    expected = []
    for text in texts[:2]:
        reply = judge.tokenizer(f" {text}", add_special_tokens=False)["input_ids"]
        expected.append(0.5 * model_log_probs(judge.model)([*past, *reply])[-len(reply) :].mean())
    assert one.rewards(item, answers) == pytest.approx([*expected, 0.0]) and expected[0] > expected[1]
    plain = replace(one.config, reward_fluency=0.0)
    free = EmotionTask(plain, one.data, one.prompt, one.decoding)
    assert np.allclose(free.rewards(item, answers), 0.0) and "_reward_fluency" not in free.__dict__  # nothing loaded
    with pytest.raises(LabError, match=r"this model measures task\.fluency; take another"):
        task(fluency="lab-tiny", reward_fluency=0.5)


def test_pairs_of_items_that_are_not_learned_are_counted(tmp_path: Path) -> None:
    keys = ("train 1", "train 1", "train 900", "train 901", "train 901")
    rows = [{"key": key, "emotion": "fear", "chosen": f"oh {n} !", "rejected": "fine ."} for n, key in enumerate(keys)]
    (path := tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    one = task(pairs=str(path))
    said = "left out 3 pairs of items that this run does not learn from (the first: train 900)"
    assert one.left_out_pairs(one.talks.splits["train"]) == said
    assert (
        task(pairs=str(path)).left_out_pairs([replace(one.talks.splits["train"][0], key=key) for key in keys]) is None
    )


def test_the_template_of_the_pairs_is_saved_with_the_tokenizer(tmp_path: Path) -> None:
    """As with supervised training: who loads the adapter finds the template in which it was trained."""
    tokenizer = load_model(ModelConfig(str(tiny_llama(tmp_path)), quantisation="none", dtype="fp32")).tokenizer
    (path := tmp_path / "pairs.jsonl").write_text(
        json.dumps({"key": "train 1", "emotion": "fear", "chosen": "oh !", "rejected": "fine ."}) + "\n"
    )
    one = task(PromptConfig("chat"), pairs=str(path), template="in_inst")
    (pair,) = one.preferences(one.talks.splits["train"][0], tokenizer)
    assert tokenizer.chat_template == chat_source("in_inst") and pair.prompt
