"""Decoding by conversation: one cache an item, ended rows leave, and the answers are those of generate()."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import pytest
from tiny_models import tiny_falcon, tiny_llama, tiny_neox

from lab_lib.decoding.cached_decoder import PASS, CachedDecoder
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.conversations import chains, decode_chains
from lab_lib.decoding.generate import generate_batch, generate_replies, reads_once, reply_text
from lab_lib.decoding.shared_prefix import prefix_line
from lab_lib.errors import LabError
from lab_lib.models.fast_cpu.chunked_attention import use_chunks
from lab_lib.prompts.encode import Prompt


@pytest.fixture(scope="module", params=[tiny_llama, tiny_neox, tiny_falcon], ids=["llama", "neox", "falcon"])
def loaded(request, tmp_path_factory):
    """A tiny model in float64, so that equal means equal."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = request.param(tmp_path_factory.mktemp("model"))
    model = AutoModelForCausalLM.from_pretrained(folder).double().eval()
    return model, AutoTokenizer.from_pretrained(folder)


def dialogues(count: int = 6) -> list[Prompt]:
    """Dialogues of 1 to 6 turns whose prompts grow by very different numbers of tokens."""
    made = []
    for d in range(count):
        ids: tuple[int, ...] = (1,)
        for turn in range(d + 1):
            ids += tuple((13 * d + 7 * turn + 3 * i) % 290 + 3 for i in range(2 + (5 * d + 3 * turn) % 11))
            made.append(Prompt(ids, f"d{d}", turn))
    return made


def one_by_one(model, tokenizer, prompts, config) -> dict[tuple[str, int], str]:
    from lab_lib.decoding.sampling import row_seed

    return {
        (p.key, p.turn): reply_text(
            generate_batch(model, tokenizer, [p.ids], config, [row_seed(config.seed, p.key, p.turn)])[0], tokenizer
        )
        for p in prompts
    }


@pytest.mark.parametrize(
    "config",
    [
        DecodeConfig(max_new_tokens=10),
        DecodeConfig(max_new_tokens=10, repetition_penalty=1.4, no_repeat_ngram=2, min_new_tokens=3),
        DecodeConfig(max_new_tokens=10, sample=True, temperature=0.9, top_k=40, top_p=0.95),
    ],
    ids=["greedy", "penalties", "sampling"],
)
def test_replies_are_those_of_generate_for_each_prompt_alone(loaded, config):
    model, tokenizer = loaded
    prompts = dialogues()
    wanted = one_by_one(model, tokenizer, prompts, config)
    for size in (1, 4):
        replies = list(generate_replies(model, tokenizer, prompts, replace(config, batch_size=size)))
        assert {(r.key, r.turn): r.response for r in replies} == wanted
    assert len(set(wanted.values())) > 5  # the prompts matter


def test_rows_that_end_early_leave_and_the_others_go_on_unchanged(loaded):
    """A token that the sampled replies reach at many different places is declared to be EOS."""
    model, tokenizer = loaded
    config, prompts = DecodeConfig(max_new_tokens=20, sample=True, top_k=12), dialogues(6)
    batch = chains(prompts)
    free = [ids for _, ids in decode_chains(batch, CachedDecoder(model, tokenizer, config, len(batch)), uncached=None)]
    places = {token: {ids.index(token) for ids in free if token in ids} for ids in free for token in ids}
    changed = copy.deepcopy(tokenizer)
    changed.eos_token = changed.convert_ids_to_tokens(max(places, key=lambda token: len(places[token])))
    wanted = one_by_one(model, changed, prompts, config)
    replies = list(generate_replies(model, changed, prompts, config))
    assert {(r.key, r.turn): r.response for r in replies} == wanted
    assert len({r.tokens for r in replies}) > 5 and {r.stopped for r in replies} == {True, False}


def test_a_dialogue_whose_oldest_turns_were_cut_goes_on_in_a_second_chain():
    whole = [Prompt((1, 2, 3), "a", 0), Prompt((1, 2, 3, 4, 5), "a", 1), Prompt((1, 4, 5, 6), "a", 2, dropped_turns=1)]
    other = [Prompt((1, 2, 3, 4, 5, 6, 7), "b", 0)]
    assert [[(p.key, p.turn) for p in chain] for chain in chains([*whole, *other])] == [
        [("b", 0)], [("a", 0), ("a", 1)], [("a", 2)],
    ]  # fmt: skip


def test_each_token_of_a_dialogue_is_read_once(loaded):
    """The model reads the last prompt, the last token of each prompt again, and a token of each reply in each step."""
    model, tokenizer = loaded
    read = []
    handle = model.get_input_embeddings().register_forward_hook(lambda m, args, out: read.append(args[0].numel()))
    prompts = [p for p in dialogues(6) if p.key == "d5"]
    try:
        replies = list(generate_replies(model, tokenizer, prompts, DecodeConfig(max_new_tokens=4)))
    finally:
        handle.remove()
    assert sum(read) == len(prompts[-1].ids) + len(prompts) * max(r.tokens for r in replies)


def test_no_row_holds_a_gap_and_little_padding_is_read(loaded, monkeypatch):
    """The cache is as wide as the longest dialogue; where padding is dear, few tokens of what is fed are padding."""
    model, tokenizer = loaded
    monkeypatch.setitem(PASS, "cpu", 6)
    prompts = dialogues(8)
    batch = chains(prompts)
    decoder = CachedDecoder(model, tokenizer, DecodeConfig(max_new_tokens=1), len(batch))
    widths, fed = [], []
    handle = model.get_input_embeddings().register_forward_hook(lambda m, args, out: fed.append(args[0].numel()))
    try:
        for _ in decode_chains(batch, decoder, uncached=None):
            widths.append(decoder.cache.places.end)
    finally:
        handle.remove()
    assert max(widths) == max(len(prompt.ids) for prompt in prompts)
    words = sum(len(chain[-1].ids) for chain in batch) + len(prompts)  # the last token of each prompt is read again
    assert words <= sum(fed) < 1.3 * words


def test_long_texts_are_read_in_pieces(loaded, monkeypatch):
    model, tokenizer = loaded
    prompts, config = dialogues(5), DecodeConfig(max_new_tokens=5)
    whole = {(r.key, r.turn): r.response for r in generate_replies(model, tokenizer, prompts, config)}
    monkeypatch.setattr("lab_lib.decoding.cached_decoder.PIECE", 3)
    assert {(r.key, r.turn): r.response for r in generate_replies(model, tokenizer, prompts, config)} == whole


def test_what_all_rows_begin_with_is_read_once_and_the_replies_stay_the_same(loaded, monkeypatch):
    model, tokenizer = loaded
    before = tuple((7 * n) % 290 + 3 for n in range(40))
    prompts = [Prompt(before + prompt.ids, prompt.key, prompt.turn) for prompt in dialogues()]
    config, fed, found = DecodeConfig(max_new_tokens=1), [], {}
    handle = model.get_input_embeddings().register_forward_hook(lambda m, args, out: fed.append(args[0].shape))
    try:
        for long in (1000, len(before)):
            monkeypatch.setattr("lab_lib.decoding.shared_prefix.LONG", long)
            fed.clear()
            replies = generate_replies(model, tokenizer, prompts, config)
            found[long] = {(r.key, r.turn): r.response for r in replies}, sum(rows * width for rows, width in fed)
    finally:
        handle.remove()
    (apart, cost), (shared, less) = found.values()
    assert shared == apart == one_by_one(model, tokenizer, prompts, config)
    assert cost - less == 5 * 41 and fed[0] == (1, 41)  # BOS is of all prompts too
    assert prefix_line(prompts) == "all prompts begin with the same 41 tokens: each batch reads them once"


def other_models() -> dict:
    """Models that keep their cache in another way, or that attend by another code."""
    from transformers import (
        FalconConfig,
        FalconForCausalLM,
        LlamaConfig,
        LlamaForCausalLM,
        MistralConfig,
        MistralForCausalLM,
    )

    shape = {"vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    wide = {**shape, "intermediate_size": 128, "initializer_range": 0.2}
    return {
        "eager": (LlamaForCausalLM, LlamaConfig(**wide, attn_implementation="eager"), True),
        "chunked": (LlamaForCausalLM, LlamaConfig(**wide), True),
        "sliding window": (MistralForCausalLM, MistralConfig(**wide, num_key_value_heads=2, sliding_window=8), False),
        "alibi": (FalconForCausalLM, FalconConfig(**shape, initializer_range=0.2, alibi=True), False),
    }


@pytest.mark.parametrize("name", ["eager", "chunked", "sliding window", "alibi"])
def test_models_of_other_kinds_answer_as_generate_does(loaded, name):
    import torch

    kind, config, once = other_models()[name]
    torch.manual_seed(0)
    model, tokenizer = kind(config).double().eval(), loaded[1]
    if name == "chunked":
        assert use_chunks(model, "bf16").value == "chunked" and model.config._attn_implementation == "chunked"
    prompts, config = dialogues(5), DecodeConfig(max_new_tokens=8)
    assert reads_once(model, config) is once
    found = {(r.key, r.turn): r.response for r in generate_replies(model, tokenizer, prompts, config)}
    assert found == one_by_one(model, tokenizer, prompts, config) and len(set(found.values())) > 5


def talk(key: str, turns: int, room: int):
    """A conversation whose history is what the model said; its oldest tokens are cut beyond `room`."""
    ids: list[int] = [1]
    for turn in range(turns):
        ids += [(11 * turn + 3 * i + len(key)) % 290 + 3 for i in range(4 + turn % 3)]
        ids = ids[-room:]
        ids += yield Prompt(tuple(ids), key, turn)


@pytest.mark.parametrize("room", [1000, 24], ids=["all fits", "oldest tokens cut"])
@pytest.mark.parametrize("beams", [1, 2], ids=["one cache", "beams"])
def test_own_history_is_what_the_model_said(loaded, room, beams):
    """Against a loop that asks one prompt after the other, each read from its beginning."""
    model, tokenizer = loaded
    config = DecodeConfig(max_new_tokens=6, beams=beams, history="own")
    sizes = {"a": 5, "bb": 2, "ccc": 7}
    expected, gold = {}, []
    for key, turns in sizes.items():
        conversation = talk(key, turns, room)
        prompt = next(conversation)
        while prompt:
            gold.append(prompt)
            (ids,) = generate_batch(model, tokenizer, [prompt.ids], config)
            expected[key, prompt.turn] = reply_text(ids, tokenizer)
            try:
                prompt = conversation.send(ids)
            except StopIteration:
                prompt = None
    start = {key: partial(talk, key, turns, room) for key, turns in sizes.items()}
    replies = list(generate_replies(model, tokenizer, gold, config, converse=start))
    assert {(r.key, r.turn): r.response for r in replies} == expected
    with pytest.raises(LabError, match="history=own needs whole dialogues"):
        list(generate_replies(model, tokenizer, gold, config))


def test_an_answer_is_written_in_the_room_that_reading_left(loaded):
    """A fork of the cache that grew would hold everything read a second time."""
    import torch

    model, tokenizer = loaded
    read, config = (*range(3, 20),), DecodeConfig(max_new_tokens=200, min_new_tokens=200)
    decoder = CachedDecoder(model, tokenizer, config, 1)
    with torch.inference_mode():
        decoder.read([read])
        decoder.generate([Prompt(read, "d", 0)])
    keys = decoder.cache.layers[0].keys
    written = (keys != 0).any(-1)[0, 0]
    assert written[17:].sum() > 150 and written[17 + 190 : 17 + 199].any()  # some tokens (pad) have no key
