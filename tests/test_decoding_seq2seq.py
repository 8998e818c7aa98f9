"""Decoding with an encoder-decoder: the same promises as for a decoder alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from test_decoding_generate import prompt_ids
from test_prompts_encode import dialogue
from tiny_models import tiny_flan, tiny_t5

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_batch, generate_replies, pad_rows
from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_prompts, gold_conversation
from lab_lib.prompts.encode import Prompt, answer_text


@pytest.fixture(scope="module", params=[tiny_t5, tiny_flan], ids=["t5", "flan"])
def loaded(request, tmp_path_factory):
    """A model whose replies depend on the source (random weights alone say much the same to everything)."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    folder = request.param(tmp_path_factory.mktemp("model"))
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, dropout_rate=0.0).eval()
    for block in model.decoder.block:
        block.layer[1].EncDecAttention.o.weight.data *= 30
    return model, AutoTokenizer.from_pretrained(folder)


def by_hand(model, tokenizer, row: list[int], length: int, penalty: float = 1.0) -> list[int]:
    """Greedy search without cache, padding or generate()."""
    import torch

    ids = [model.config.decoder_start_token_id]
    while len(ids) <= length and ids[-1] != tokenizer.eos_token_id:
        with torch.no_grad():
            logits = model(torch.tensor([row]), decoder_input_ids=torch.tensor([ids])).logits[0, -1]
        for token in set(ids):  # those of the decoder's side alone, its start token among them
            logits[token] *= penalty if logits[token] < 0 else 1 / penalty
        ids.append(logits.argmax().item())
    return ids[1:]


@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_a_batch_gives_what_a_plain_loop_over_the_model_gives_for_each_row(loaded, penalty):
    model, tokenizer = loaded
    rows = prompt_ids(7)
    config = DecodeConfig(max_new_tokens=9, repetition_penalty=penalty)
    wanted = [by_hand(model, tokenizer, row, 9, penalty) for row in rows]
    assert generate_batch(model, tokenizer, rows, config) == wanted
    assert len({tuple(reply) for reply in wanted}) > 3  # the sources matter


@pytest.mark.parametrize(
    "knobs",
    [
        {"beams": 3},
        {"beams": 2, "length_penalty": 2.0, "no_repeat_ngram": 2},
        {"sample": True, "temperature": 1.5},
        {"sample": True, "top_k": 20, "repetition_penalty": 1.3},
        {"sample": True, "top_p": 0.8},
        {"sample": True, "min_p": 0.05},
        {"sample": True, "typical_p": 0.9},
        {"prompt_lookup": 4},
    ],
    ids=lambda knobs: " ".join(knobs),
)
def test_a_reply_depends_on_its_dialogue_not_on_batch_or_order(loaded, knobs):
    model, tokenizer = loaded
    todo = [Prompt(tuple(ids), f"d{n}", n) for n, ids in enumerate(prompt_ids(5))]

    def replies(prompts, **more):
        config = DecodeConfig(max_new_tokens=7, **knobs, **more)
        return {r.key: (r.response, r.tokens) for r in generate_replies(model, tokenizer, prompts, config)}

    together = replies(todo)
    assert replies(todo, batch_size=2) == together == replies(todo[::-1], batch_size=1)
    assert replies(todo[3:4]) == {"d3": together["d3"]}
    assert all(tokens <= 7 for _, tokens in together.values()) and len(set(together.values())) > 2
    if "sample" in knobs:
        assert replies(todo, seed=1) != together


def test_a_conversation_whose_history_is_the_models_own(loaded):
    """Each reply becomes part of the next source; a loop by hand says the same."""
    model, tokenizer = loaded
    form, config = PromptConfig(format="pairs"), DecodeConfig(max_new_tokens=5, history="own")
    talks = {f"d{n}": replace(dialogue(1 + n), id=f"d{n}") for n in range(3)}
    start = {key: partial(gold_conversation, talk, tokenizer, form) for key, talk in talks.items()}
    asked = [prompt for talk in talks.values() for prompt in dialogue_prompts(talk, tokenizer, form)]
    for size in (1, 3):
        said = generate_replies(model, tokenizer, asked, replace(config, batch_size=size), converse=start)
        got = {(reply.key, reply.turn): reply.response for reply in said}
        for key, begin in start.items():
            talk = begin()
            prompt = next(talk)
            while prompt is not None:
                ids = by_hand(model, tokenizer, list(prompt.ids), 5)
                assert got.pop((key, prompt.turn)) == answer_text(ids, tokenizer)
                try:
                    prompt = talk.send(ids)
                except StopIteration:
                    prompt = None
        assert not got


def test_prompt_lookup_gives_the_replies_of_greedy_search(loaded):
    model, tokenizer = loaded
    greedy, guessing = DecodeConfig(max_new_tokens=9), DecodeConfig(max_new_tokens=9, prompt_lookup=4)
    rows = prompt_ids(4)
    assert generate_batch(model, tokenizer, rows, greedy) == generate_batch(model, tokenizer, rows, guessing)


def test_generation_stops_at_eos_and_keeps_nothing_behind_it(loaded):
    import torch

    model, tokenizer = loaded
    bias = torch.nn.Parameter(torch.zeros(320))
    bias.data[tokenizer.eos_token_id] = 1e4  # EOS is now always the likeliest token
    model.lm_head.bias = bias
    try:
        replies = generate_batch(model, tokenizer, prompt_ids(3), DecodeConfig(max_new_tokens=12))
        forced = generate_batch(model, tokenizer, prompt_ids(2), DecodeConfig(max_new_tokens=12, min_new_tokens=5))
    finally:
        model.lm_head.bias = None
    assert replies == [[tokenizer.eos_token_id]] * 3
    assert [len(row) for row in forced] == [6, 6]


@pytest.mark.parametrize(
    "knobs",
    [
        {"penalty_alpha": 0.6, "top_k": 4},
        {"sample": True, "beams": 2},
        {"beams": 4, "beam_groups": 2, "diversity_penalty": 0.5},
    ],
    ids=["contrastive", "beam sampling", "diverse beams"],
)
def test_strategies_written_for_decoders_are_refused_in_one_line(loaded, knobs):
    with pytest.raises(LabError, match="and this one has an encoder"):
        generate_batch(*loaded, prompt_ids(2), DecodeConfig(**knobs))


def test_rows_are_padded_on_the_side_that_is_asked_for():
    ids, mask = pad_rows([[5, 6, 7], [0, 8]], 0, left=True)
    assert (ids.tolist(), mask.tolist()) == ([[5, 6, 7], [0, 0, 8]], [[1, 1, 1], [0, 1, 1]])
    ids, mask = pad_rows([[5, 6, 7], [0, 8]], 0, left=False)
    assert (ids.tolist(), mask.tolist()) == ([[5, 6, 7], [0, 8, 0]], [[1, 1, 1], [1, 1, 0]])
