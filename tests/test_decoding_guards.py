"""Guards against pitfalls of generation (docs/pitfalls.md), on models of several families."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import FAMILIES, tiny_adapter, tiny_llama

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_batch, generate_replies, reply_text
from lab_lib.files import read_json
from lab_lib.models.config import ModelConfig
from lab_lib.models.merge import merge_adapter
from lab_lib.models.model import load_model
from lab_lib.prompts.encode import Prompt

CAUSAL = [family for family in FAMILIES if family != "t5"]
# What a checkpoint may carry: each of these would change the replies, the last two also in greedy search.
ODD = {
    "do_sample": False, "temperature": 0.6, "top_p": 0.9, "top_k": 3, "typical_p": 0.5, "repetition_penalty": 1.7,
    "min_length": 30, "suppress_tokens": list(range(20, 250)),
}  # fmt: skip
STRATEGIES = {
    "greedy": DecodeConfig(max_new_tokens=8),
    "beams": DecodeConfig(max_new_tokens=8, beams=2),
    "beam sampling": DecodeConfig(max_new_tokens=8, beams=2, sample=True, temperature=1.3),
    "sampling": DecodeConfig(max_new_tokens=8, sample=True, top_k=40),
    "contrastive": DecodeConfig(max_new_tokens=8, penalty_alpha=0.5, top_k=4),
}


def load(folder: Path):
    return load_model(ModelConfig(str(folder), quantisation="none", dtype="fp32"))


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: FAMILIES[name](folder / name) for name in CAUSAL}


def rows(count: int = 5) -> list[list[int]]:
    """Prompts of very different lengths."""
    return [[1, *(3 + (7 * n + 3 * i) % 290 for i in range(2 + 6 * n))] for n in range(count)]


@pytest.mark.parametrize("family", CAUSAL)
def test_a_batch_gives_what_single_prompts_give_whatever_the_tokenizer_pads(models, family):
    """In float64, with a tokenizer that pads on the right; a padding token that is EOS changes nothing either."""
    loaded = load(models[family])
    model, config = loaded.model.double(), DecodeConfig(max_new_tokens=8)
    single = [generate_batch(model, loaded.tokenizer, [row], config)[0] for row in rows()]
    assert len({tuple(reply) for reply in single}) > 2  # the prompts matter
    loaded.tokenizer.padding_side = "right"
    assert generate_batch(model, loaded.tokenizer, rows(), config) == single
    loaded.tokenizer.pad_token = loaded.tokenizer.eos_token
    assert generate_batch(model, loaded.tokenizer, rows(), config) == single
    asked = [Prompt(tuple(row), f"d{n}", 0) for n, row in enumerate(rows())]
    by_dialogue = {r.key: r.response for r in generate_replies(model, loaded.tokenizer, asked, config)}
    assert by_dialogue == {f"d{n}": reply_text(ids, loaded.tokenizer) for n, ids in enumerate(single)}


def test_loading_makes_every_tokenizer_pad_on_the_left(models):
    for folder in models.values():
        assert load(folder).tokenizer.padding_side == "left"


@pytest.mark.parametrize("name", STRATEGIES)
def test_settings_of_a_checkpoint_change_no_reply(models, tmp_path, name):
    import torch

    odd = tiny_llama(tmp_path / "odd")
    (odd / "generation_config.json").write_text(json.dumps(ODD | {"eos_token_id": [2, 7], "pad_token_id": 0}))
    replies = []
    for folder in (models["llama"], odd):
        loaded = load(folder)
        torch.manual_seed(0)
        replies.append(generate_batch(loaded.model, loaded.tokenizer, rows(3), STRATEGIES[name]))
    assert replies[0] == replies[1]


def test_a_reply_ends_at_eos_though_the_checkpoint_names_none(tmp_path):
    """The 2023 lab set no EOS: every reply ran to its full length. It is the tokenizer's, so files cannot lack it."""
    import torch

    folder = tiny_llama(tmp_path / "model")
    (folder / "generation_config.json").write_text("{}")
    config = read_json(folder / "config.json")
    (folder / "config.json").write_text(json.dumps({**config, "eos_token_id": None}))
    loaded = load(folder)
    loaded.model.lm_head.bias = torch.nn.Parameter(torch.zeros(320).index_fill(0, torch.tensor([2]), 1e4))
    steps: list[int] = []
    loaded.model.register_forward_hook(lambda *_: steps.append(1))
    for config in (STRATEGIES["greedy"], STRATEGIES["beams"]):
        assert generate_batch(loaded.model, loaded.tokenizer, rows(3), config) == [[2]] * 3
    assert len(steps) < 8  # not one a token that may be written


def test_settings_of_a_checkpoint_are_not_written_on(tmp_path):
    """Some versions of the library refuse to save a temperature beside do_sample=false."""
    base = tiny_llama(tmp_path / "base")
    (base / "generation_config.json").write_text(json.dumps(ODD | {"eos_token_id": [2, 7], "bos_token_id": 1}))
    merged = merge_adapter(ModelConfig(str(base)), str(tiny_adapter(base, tmp_path / "adapter")), tmp_path / "merged")
    written = read_json(tmp_path / "merged" / "generation_config.json")
    assert not ODD.keys() & written.keys()
    assert (written["eos_token_id"], written["bos_token_id"], written["pad_token_id"]) == ([2, 7], 1, 0)
    # lab decode ends at the tokenizer's token alone, so this is said.
    name = load_model(ModelConfig(str(base))).tokenizer.convert_ids_to_tokens(7)
    assert merged.end_token is not None and name in merged.end_token.reason


@pytest.mark.parametrize("family", CAUSAL)
def test_logits_of_one_position_a_row_are_computed_at_a_time(models, family):
    """A batch of 32 prompts of 700 tokens has 32 x 700 x 50,000 logits: 4.5 GB in fp32, of which 32 rows are needed."""
    loaded, seen = load(models[family]), []
    loaded.model.get_output_embeddings().register_forward_hook(lambda module, args, out: seen.append(out.shape[1]))
    asked = [Prompt(tuple(row), f"d{n}", 0) for n, row in enumerate(rows())]
    for config in (DecodeConfig(max_new_tokens=3), DecodeConfig(max_new_tokens=3, beams=2)):
        list(generate_replies(loaded.model, loaded.tokenizer, asked, config))
    assert len(seen) > 4 and set(seen) == {1}
