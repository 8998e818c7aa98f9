"""Training dialogues drawn for rare emotions: from train alone, as often as promised, with the mask of all examples."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from tiny_models import tiny_llama

from lab_lib.corpora.config import DataConfig
from lab_lib.corpora.dailydialog.types import EMOTIONS
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model, training_mode
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.encode import Example
from lab_lib.runs.steps import examples_of_steps, train_examples
from lab_lib.tasks.emotion import EmotionConfig, EmotionTask
from lab_lib.tasks.emotion_rare import RARE, both_ways
from lab_lib.tasks.splits import load_splits
from lab_lib.training.config import TrainConfig
from lab_lib.training.lora import LoraConfig, attach_lora
from lab_lib.training.trainer import train


def task(corpus: str = "everyday", form: str = "dialogues", **settings) -> EmotionTask:
    config = EmotionConfig("emotion", **{"embedder": None, **settings})
    return EmotionTask(config, DataConfig(corpus), PromptConfig(format=form), DecodeConfig())


@pytest.fixture(scope="module")
def splits():
    return load_splits(task())


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    base = tiny_llama(tmp_path_factory.mktemp("base"))
    return load_model(ModelConfig(str(base), quantisation="none", dtype="fp32")).tokenizer


def test_each_emotion_gets_its_share_from_train_alone(splits) -> None:
    assert task().training_items(splits.train, 0) is splits.train  # off by default
    one, known = task(rare_emotions=0.6), {key: item for item in splits.train for key in (item.key,)}
    drawn = one.training_items(splits.train, 0)
    assert len(drawn) == len(splits.train)
    ways = {way.key: way for item in splits.train for way in both_ways(item)}
    assert all(ways[item.key].said[: len(item.said)] == item.said for item in drawn)  # a training dialogue or its start
    drawn_for = Counter(item.turns[-1][1].emotion for item in drawn[: 6 * round(0.1 * len(splits.train))])
    assert drawn_for == dict.fromkeys(RARE, round(0.1 * len(splits.train)))  # each ends with the reply it was drawn for
    texts = {item.text for item in (*splits.dev, *splits.test)}
    assert not any(item.text in texts for item in drawn)
    for emotion in RARE:
        of_train = [
            (way.key, turn)
            for way in ways.values()
            for turn, (_, reply) in enumerate(way.turns)
            if reply.emotion == emotion
        ]
        having = [(item.key, len(item.turns) - 1) for item in drawn if item.turns[-1][1].emotion == emotion]
        assert len(set(having)) >= min(len(of_train), round(0.1 * len(splits.train)))  # all before one again
    even = [item for item in drawn if item.key in known]
    assert len(even) > 0.4 * len(drawn) and len(even) < len(drawn)
    assert drawn == one.training_items(splits.train, 0) != one.training_items(splits.train, 1)
    with pytest.raises(LabError, match=r"task\.rare_emotions=2: expected a share, from 0 to 1"):
        task(rare_emotions=2.0)


@pytest.mark.parametrize("form", ["dialogues", "turns"])
def test_the_replies_and_their_eos_are_supervised_whoever_speaks_them(splits, tokenizer, form: str) -> None:
    one = task(form=form)
    talk, shifted = both_ways(next(item for item in splits.train if len(item.said) == 6))
    assert [reply for _, reply in shifted.turns] == [user for user, _ in talk.turns][1:]
    learned = []
    for example in one.examples(shifted, tokenizer):
        edges = [0, *(n for n, (a, b) in enumerate(pairwise(example.loss_mask), 1) if a != b), len(example.ids)]
        learned += [tokenizer.decode(example.ids[a:b]) for a, b in pairwise(edges) if example.loss_mask[a]]
    ids = [tokenizer(f" {reply.text}", add_special_tokens=False)["input_ids"] for _, reply in shifted.turns]
    assert learned == [tokenizer.decode([*reply, tokenizer.eos_token_id]) for reply in ids]


@pytest.mark.parametrize("form", ["dialogues", "turns"])
def test_the_replies_of_all_steps_are_counted(splits, tokenizer, form: str) -> None:
    one, config = task(form=form, rare_emotions=1.0), TrainConfig(epochs=1, batch_size=1, micro_batch_size=1)
    items = one.training_items(splits.train[:60], 0)
    examples = examples_of_steps(train_examples(one, items, tokenizer), config)
    every = Counter(reply.emotion for item in items for _, reply in item.turns)
    line = one.learned_line(examples)
    found = [part.strip().split(" ") for part in line.partition(": ")[2].split(",")]
    assert {emotion: int(count) for emotion, count, _ in found} == every and list(every.keys() - set(EMOTIONS)) == []
    different = {(item.key, turn): reply.emotion for item in items for turn, (_, reply) in enumerate(item.turns)}
    assert {emotion: int(count.strip("()")) for emotion, _, count in found} == Counter(different.values())


@pytest.mark.parametrize(("steps", "grouped"), [(2, True), (7, True), (7, False)])
def test_what_is_counted_is_what_training_reads(tmp_path: Path, steps: int, grouped: bool) -> None:
    examples = [Example((0, 10 + n, *[5] * n, 6, 2), (False, *[True] * (n + 3)), f"{n}", 0, 0) for n in range(5)]
    config = TrainConfig(steps=steps, batch_size=2, micro_batch_size=1, save_every=100, group_by_length=grouped)
    loaded = load_model(ModelConfig(str(tiny_llama(tmp_path)), quantisation="none", dtype="fp32"), for_training=True)
    model, _ = attach_lora(loaded.model, LoraConfig(rank=2, dropout=0.0))
    training_mode(model, False)
    seen = Counter[int]()

    def read(_, given) -> None:
        if torch.is_grad_enabled():  # the first passes only try what the model can do
            seen.update(i - 10 for i in given[0].flatten().tolist() if 10 <= i < 15)

    model.get_input_embeddings().register_forward_pre_hook(read)
    train(model, examples, config, tmp_path, pad=0, eos=2, precision=loaded.dtype)
    assert seen == Counter(int(example.key) for example in examples_of_steps(examples, config))
    assert max(seen.values()) == (1 if steps == 2 else 3)


@pytest.mark.real
def test_fear_and_disgust_of_dailydialog_as_the_docs_have_them(lab_data: Path) -> None:
    train = task("dailydialog").load()["train"]
    alone = Counter(reply.emotion for talk in train for _, reply in talk.turns)
    both = Counter(reply.emotion for talk in train for way in both_ways(talk) for _, reply in way.turns)
    assert (alone["neutral"], alone.total(), alone["fear"], alone["disgust"]) == (34047, 41637, 52, 146)
    assert (both["fear"], both["disgust"]) == (123, 247)  # of 146 and 303 utterances: the first has no history
