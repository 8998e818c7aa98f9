"""docs/scaling.md: its tables are those of the program, and the program's counts those of real configurations."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def scaling():
    spec = importlib.util.spec_from_file_location("scaling", ROOT / "benchmarks" / "scaling.py")
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["scaling"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["scaling"]


def test_the_page_has_the_tables_of_the_program(scaling):
    page = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert f"{scaling.START}\n\n{scaling.table()}\n{scaling.END}" in page


@pytest.mark.parametrize("place", [0, 1])
def test_weights_and_adapters_are_those_of_the_real_architectures(scaling, place):
    """Built without memory, on PyTorch's meta device."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    size = scaling.SIZES[place]
    config = LlamaConfig(
        hidden_size=size.width,
        intermediate_size=size.ffn,
        num_hidden_layers=size.layers,
        num_attention_heads=size.width // 128,
        num_key_value_heads=size.keys // 128,
        vocab_size=32_000,
    )
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(size.weights, rel=0.01)
    linear = [m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and "lm_head" not in n]
    assert sum(64 * (m.in_features + m.out_features) for m in linear) == scaling.adapter_weights(size)


def test_more_gpus_take_less_time_but_not_linearly_less(scaling):
    one, eight = (scaling.training_minutes(scaling.SIZES[0], 1e6, gpus) for gpus in (1, 8))
    assert one / 8 < eight < one


def test_decoding_reads_dialogues_too_and_a_gpu_has_no_more_than_its_share(scaling):
    small, large = scaling.SIZES
    assert scaling.decoding_seconds(large, 1) is None  # 138 GB of weights in 141 GB
    reading = 1_000 * 557_563 / 999 * 2 * small.weights / (989e12 * 0.35)
    one, many = scaling.decoding_seconds(small, 1), scaling.decoding_seconds(small, 64)
    assert one > reading > 15  # seconds
    assert many > one / 64  # 16 dialogues a GPU read the weights as often as 64 would
