"""Prompt format `pairs`: what the encoder of an encoder-decoder reads, and what its decoder learns."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_prompts_encode import dialogue, supervised_text
from tiny_models import t5_tokenizer, tiny_tokenizer

from lab_lib.corpora.types import Dialogue, Turn
from lab_lib.errors import LabError
from lab_lib.models.hub import Source
from lab_lib.models.tokenizer import load_tokenizer
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_examples, dialogue_prompts, gold_conversation
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.prompts.encode import answer_text

STATE = DialogueConfig(state=True)
PAIRS = PromptConfig(format="pairs", instruction="Help.")
TURNS = PromptConfig(format="turns", instruction="Help.")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def test_a_source_ends_with_eos_and_the_reply_alone_is_learnt(tokenizer):
    first, second = dialogue_examples(dialogue(2, words=1), tokenizer, PromptConfig(format="pairs"))
    assert tokenizer.decode(first.ids) == "<s>user> ask0w0\nbot></s> say0w0</s>"
    assert tokenizer.decode(second.ids) == "<s>user> ask0w0\nbot> say0w0</s>\nuser> ask1w0\nbot></s> say1w0</s>"
    assert [supervised_text(e, tokenizer) for e in (first, second)] == [" say0w0</s>", " say1w0</s>"]


def test_a_source_is_the_prompt_of_a_decoder_with_eos_behind_it(tokenizer):
    pairs, turns = (dialogue_examples(dialogue(4), tokenizer, config, STATE) for config in (PAIRS, TURNS))
    asked = dialogue_prompts(dialogue(4), tokenizer, TURNS, STATE)
    for pair, turn, prompt in zip(pairs, turns, asked, strict=True):
        start = pair.loss_mask.index(True)
        assert pair.ids[:start] == (*prompt.ids, tokenizer.eos_token_id)
        assert pair.ids[start:] == turn.ids[len(prompt.ids) :] and all(pair.loss_mask[start:])
        assert (pair.first, pair.last) == (turn.first, turn.last)


def test_decoding_reads_what_training_read(tokenizer):
    examples = dialogue_examples(dialogue(4), tokenizer, PAIRS, STATE)
    asked = dialogue_prompts(dialogue(4), tokenizer, PAIRS, STATE)
    assert [e.ids[: e.loss_mask.index(True)] for e in examples] == [prompt.ids for prompt in asked]


def test_truncation_drops_whole_oldest_turns_and_keeps_the_end_of_the_source(tokenizer):
    full = dialogue_examples(dialogue(6), tokenizer, PAIRS, STATE)[-1]
    for room in range(len(full.ids) - 1, len(full.ids) // 2, -7):
        config = replace(PAIRS, max_tokens=room)
        short = dialogue_examples(dialogue(6), tokenizer, config, STATE)[-1]
        text = tokenizer.decode(short.ids)
        assert len(short.ids) <= room and short.dropped_turns > 0
        assert text.startswith(f"<s>task> Help.\nuser> ask{short.dropped_turns}w0") and "bot></s> say5w0" in text
        assert supervised_text(short, tokenizer) == supervised_text(full, tokenizer)
        asked = dialogue_prompts(dialogue(6), tokenizer, config, STATE, room=30)
        assert max(len(prompt.ids) for prompt in asked) <= room - 30
        assert all(tokenizer.decode(prompt.ids).endswith("\nbot></s>") for prompt in asked)


def test_a_conversation_reads_its_own_replies_and_ends_each_source(tokenizer):
    talk = gold_conversation(dialogue(2, words=1), tokenizer, PromptConfig(format="pairs"))
    assert tokenizer.decode(next(talk).ids) == "<s>user> ask0w0\nbot></s>"
    second = talk.send([*tokenizer(" say1w0", add_special_tokens=False)["input_ids"], tokenizer.eos_token_id])
    assert tokenizer.decode(second.ids) == "<s>user> ask0w0\nbot> say1w0</s>\nuser> ask1w0\nbot></s>"


def test_a_reply_that_cannot_fit_with_its_source_is_refused(tokenizer):
    config = replace(PAIRS, max_tokens=25)
    with pytest.raises(LabError, match=r"TST1.*more than prompt\.max_tokens"):
        dialogue_examples(dialogue(1, words=1), tokenizer, config, STATE)


def test_a_tokenizer_of_t5s_kind_reads_and_writes_the_same_words(tmp_path):
    """Its pieces carry their space, a line break is none of them, and there is no BOS: nothing may depend on these."""
    t5_tokenizer(tmp_path)
    tokenizer, pad = load_tokenizer(Source("t5", tmp_path))
    said = "the [name] is cheap , shall i book it ?"
    talk = Dialogue("T", (Turn("user", "i want a cheap restaurant"), Turn("system", said)) * 2)
    examples = dialogue_examples(talk, tokenizer, PromptConfig(format="pairs"))
    assert (pad.value, tokenizer.bos_token_id) == ("<pad>", None)
    for example in examples:
        source, target = example.ids[: example.loss_mask.index(True)], example.ids[example.loss_mask.index(True) :]
        assert source[-1] == target[-1] == tokenizer.eos_token_id and tokenizer.unk_token_id not in example.ids
        assert answer_text(target, tokenizer) == said
        assert answer_text(source, tokenizer).endswith("i want a cheap restaurant bot>")
