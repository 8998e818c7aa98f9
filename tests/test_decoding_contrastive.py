"""Contrastive search against a slow textbook version, greedy search, and itself in a batch."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tiny_models import tiny_llama, tiny_neox

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_batch
from lab_lib.errors import LabError

CONTRASTIVE = DecodeConfig(penalty_alpha=0.6, top_k=5, max_new_tokens=14)


@pytest.fixture(scope="module", params=[tiny_llama, tiny_neox], ids=["llama", "neox"])
def loaded(request, tmp_path_factory):
    """A tiny model in float64, so that equal means equal."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = request.param(tmp_path_factory.mktemp("model"))
    return AutoModelForCausalLM.from_pretrained(folder).double().eval(), AutoTokenizer.from_pretrained(folder)


def prompt_ids(count: int) -> list[list[int]]:
    return [[1, *((11 * n + 5 * i) % 300 + 3 for i in range(3 + 4 * n))] for n in range(count)]


def textbook(model, row: list[int], alpha: float, k: int, steps: int, eos: int) -> list[int]:
    """The formula word for word: no cache, one candidate at a time, the whole text anew for each."""
    import torch

    ids = list(row)
    for _ in range(steps):
        with torch.no_grad():
            p = model(torch.tensor([ids])).logits[0, -1].softmax(-1)
            best, choice = -9.0, 0
            for v in p.topk(k).indices.tolist():
                h = model(torch.tensor([[*ids, v]]), output_hidden_states=True).hidden_states[-1][0]
                cosines = torch.nn.functional.cosine_similarity(h[-1:], h[:-1], dim=-1)
                score = (1 - alpha) * p[v].item() - alpha * cosines.max().item()
                if score > best:
                    best, choice = score, v
        ids.append(choice)
        if choice == eos:
            break
    return ids[len(row) :]


@pytest.mark.parametrize("alpha", [0.3, 0.6, 0.9])
def test_it_follows_the_textbook_step_by_step(loaded, alpha):
    model, tokenizer = loaded
    config = replace(CONTRASTIVE, penalty_alpha=alpha)
    for row in prompt_ids(2):
        wanted = textbook(model, row, alpha, 5, 14, tokenizer.eos_token_id)
        assert generate_batch(model, tokenizer, [row], config) == [wanted]


def test_it_follows_the_textbook_on_many_random_prompts(loaded):
    """In one batch, against one text at a time."""
    model, tokenizer = loaded
    draw = random.Random(0)
    rows = [[1, *(draw.randrange(3, 320) for _ in range(draw.randrange(2, 40)))] for _ in range(12)]
    found = generate_batch(model, tokenizer, rows, replace(CONTRASTIVE, max_new_tokens=6))
    assert found == [textbook(model, row, 0.6, 5, 6, tokenizer.eos_token_id) for row in rows]
    assert len({tuple(reply) for reply in found}) > 6  # the prompts matter


def test_alpha_zero_is_greedy_search_and_alpha_matters(loaded):
    model, tokenizer = loaded
    greedy = generate_batch(model, tokenizer, prompt_ids(6), DecodeConfig(max_new_tokens=14))
    assert generate_batch(model, tokenizer, prompt_ids(6), replace(CONTRASTIVE, penalty_alpha=0.0)) == greedy
    assert generate_batch(model, tokenizer, prompt_ids(6), CONTRASTIVE) != greedy


def test_more_candidates_than_tokens_are_all_tokens(loaded):
    model, tokenizer = loaded
    few = {"penalty_alpha": 0.6, "max_new_tokens": 2}
    everything = DecodeConfig(top_k=model.config.vocab_size, **few)
    wanted = generate_batch(model, tokenizer, prompt_ids(1), everything)
    assert generate_batch(model, tokenizer, prompt_ids(1), replace(everything, top_k=10_000)) == wanted


def test_a_batch_with_left_padding_gives_what_single_prompts_give(loaded):
    model, tokenizer = loaded
    rows = prompt_ids(6)
    assert generate_batch(model, tokenizer, rows, CONTRASTIVE) == [
        generate_batch(model, tokenizer, [row], CONTRASTIVE)[0] for row in rows
    ]


def test_a_row_that_ended_stays_ended_while_others_go_on(loaded):
    """EOS is forbidden for the first three tokens and certain afterwards in one row only."""
    import torch

    model, tokenizer = loaded
    rows = prompt_ids(2)
    free = generate_batch(model, tokenizer, rows, CONTRASTIVE)
    forced = generate_batch(model, tokenizer, rows, replace(CONTRASTIVE, min_new_tokens=4, max_new_tokens=4))
    assert [len(row) for row in forced] == [4, 4] and all(a[:4] == b for a, b in zip(free, forced, strict=True))
    head = model.get_output_embeddings()
    with torch.no_grad():
        kept = head.weight[tokenizer.eos_token_id].clone()
        head.weight[tokenizer.eos_token_id] = 50 * head.weight[free[0][1]]  # row 0 ends where it said this token
    try:
        ended = generate_batch(model, tokenizer, rows, CONTRASTIVE)
    finally:
        with torch.no_grad():
            head.weight[tokenizer.eos_token_id] = kept
    assert ended[0][-1] == tokenizer.eos_token_id and len(ended[0]) < 14


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"penalty_alpha": 0.6}, "needs top_k"),
        ({"penalty_alpha": 1.2, "top_k": 4}, r"lies in \[0, 1\]"),
        ({"penalty_alpha": 0.6, "top_k": 4, "sample": True}, "neither sample nor beams"),
        ({"penalty_alpha": 0.6, "top_k": 4, "beams": 2}, "neither sample nor beams"),
    ],
)
def test_settings_that_contradict_are_refused(settings, message):
    with pytest.raises(LabError, match=message):
        DecodeConfig(**settings)
