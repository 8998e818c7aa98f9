"""The memory estimate of a dry run."""

from __future__ import annotations

import pytest

from lab_lib.runs.dry_run import memory_estimate


def test_checkpointing_keeps_the_inputs_of_layers_and_one_whole_layer():
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 11_008, "vocab_size": 32_000}
    with torch.device("meta"):  # LLaMA 7B without memory for it
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes)).bfloat16()
    tokens = 4 * 1024
    # 4096 x (34 x 2 x 4096 x 32) = 36.51 GB and logits 4096 x 8 x 32,000 = 1.05 GB
    assert "activations 37.56 GB" in memory_estimate(model, 0, tokens, tokens)
    # 4096 x (2 x 4096 x 32 + 34 x 2 x 4096) = 2.21 GB and the logits
    assert "activations 3.26 GB" in memory_estimate(model, 0, tokens, tokens, gradient_checkpointing=True)
    assert "weights 13.48 GB, gradients and optimiser 0.12 GB" in memory_estimate(model, 10_000_000, tokens, tokens)
