"""The bias towards placeholders: which tokens it concerns, and that every way of decoding applies it."""

from __future__ import annotations

from functools import partial

import pytest
from tiny_models import tiny_llama, tiny_neox

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import decode_batch, generate_batch, generate_replies
from lab_lib.decoding.logit_bias import biases, opening_tokens
from lab_lib.models.hub import find_source
from lab_lib.models.tokenizer import load_tokenizer
from lab_lib.prompts.encode import Prompt


@pytest.fixture(scope="module", params=[tiny_llama, tiny_neox], ids=["llama", "neox"])
def loaded(request, tmp_path_factory):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = request.param(tmp_path_factory.mktemp("model"))
    return AutoModelForCausalLM.from_pretrained(folder).double().eval(), AutoTokenizer.from_pretrained(folder)


def test_the_opening_token_of_lab_tiny_is_the_space_before_a_bracket():
    tokenizer, _ = load_tokenizer(find_source("lab-tiny"))
    (space,) = opening_tokens(tokenizer)
    text = " the [name] is at [address], phone [phone]."
    assert tokenizer.decode([space]) == " "
    assert tokenizer(text, add_special_tokens=False)["input_ids"].count(space) == 3


def test_a_tokenizer_with_tokens_for_brackets_gives_all_of_them(loaded):
    _, tokenizer = loaded
    first = tokenizer(" [name]", add_special_tokens=False)["input_ids"][0]
    found = opening_tokens(tokenizer)
    assert first in found
    if tokenizer.decode([first]).strip():
        assert all(tokenizer.decode([i]).strip().startswith("[") for i in found)


def test_no_bias_is_nothing_and_a_large_one_opens_a_placeholder_wherever_it_is_decoded(loaded):
    model, tokenizer = loaded
    assert biases(DecodeConfig(), tokenizer) == []
    prompts = [Prompt((5, 6, 7), "a", 0), Prompt((5, 9), "b", 0)]
    opening = set(opening_tokens(tokenizer))
    for strategy in ({}, {"sample": True}, {"beams": 2}, {"penalty_alpha": 0.2, "top_k": 3}):
        strong = DecodeConfig(max_new_tokens=3, slot_bias=1000.0, **strategy)
        rows = generate_batch(model, tokenizer, [p.ids for p in prompts], strong)
        assert all(set(row) <= opening for row in rows), strategy
        replies = generate_replies(model, tokenizer, prompts, strong)
        assert {r.response.replace(" ", "")[0] for r in replies} == {"["}, strategy


def test_plans_have_a_bias_of_their_own_and_replies_do_not_get_it(loaded):
    model, tokenizer = loaded
    word = tokenizer.decode([40]).strip()
    ids = tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
    config = DecodeConfig(plan_bias={word: 2.0, "end": -1.0}, slot_bias=0.5, sample=True, history="own")
    assert biases(config.writing("plan"), tokenizer) == [[ids, 2.0], [[tokenizer.eos_token_id], -1.0]]
    assert all(bias == 0.5 for _, bias in biases(config.writing("reply"), tokenizer))
    assert biases(config.writing("call"), tokenizer) == []

    def talk(asks):
        yield Prompt((5, 6, 7), "a", 0, asks=asks)
        yield Prompt((5, 6, 7, 8, 9), "a", 0)

    said = {}
    settings = DecodeConfig(max_new_tokens=4, plan_bias={"end": 1000.0}, history="own")
    for asks in ("plan", "call"):
        start = {"a": partial(talk, asks)}
        batch = [[Prompt((5, 6, 7, 8, 9), "a", 0)]]
        said[asks] = [ids for _, ids in decode_batch(model, tokenizer, batch, settings, start)]
    assert said["plan"][0] == [tokenizer.eos_token_id] != said["call"][0]
    assert said["plan"][1] == said["call"][1]  # the reply
