"""Every strategy with every setting that goes with any strategy: a reply does not depend on who shares its batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tiny_models import tiny_llama

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_batch, generate_replies
from lab_lib.decoding.strategies import STRATEGIES
from lab_lib.prompts.encode import Prompt

AVAILABLE = [name for name, strategy in STRATEGIES.items() if not strategy.refused]
SETTINGS = [{"repetition_penalty": 1.4}, {"no_repeat_ngram": 2}, {"min_new_tokens": 4}, {"slot_bias": 2.0}]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A tiny model in float64 whose replies end at many lengths, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_llama(tmp_path_factory.mktemp("model"))
    model = AutoModelForCausalLM.from_pretrained(folder).double().eval()
    with torch.no_grad():
        model.get_output_embeddings().weight[2] *= 2.0
    return model, AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
@pytest.mark.parametrize("name", AVAILABLE)
def test_a_padded_batch_gives_the_replies_of_single_prompts(loaded, name, changes):
    model, tokenizer = loaded
    config = DecodeConfig(**STRATEGIES[name].settings, **changes, max_new_tokens=8, batch_size=32)
    rows = [[1, *((17 * n + 5 * i) % 60 + 3 for i in range(3 + 4 * n))] for n in range(5)]
    alone = [generate_batch(model, tokenizer, [row], config, [n])[0] for n, row in enumerate(rows)]
    assert generate_batch(model, tokenizer, rows, config, range(5)) == alone
    todo = [Prompt(tuple(row), f"d{n}", 0) for n, row in enumerate(rows)]
    single = {r.key: r for r in generate_replies(model, tokenizer, todo, replace(config, batch_size=1))}
    assert {r.key: r for r in generate_replies(model, tokenizer, todo, config)} == single
    if "min_new_tokens" in changes:
        assert min(map(len, alone)) > 4
