"""Attention in chunks: the gradient of attention, the model that trains with it, and where it is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import training_job
from tiny_models import tiny_falcon, tiny_llama, tiny_neox, tiny_t5

from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model, training_mode
from lab_lib.training.batches import to_rows
from lab_lib.training.loss import batching_for


@pytest.mark.parametrize("tokens", [1, 127, 128, 129, 300])
def test_chunks_are_attention_in_value_and_gradient(tokens: int):
    """In float64, against PyTorch's own kernel; 300 tokens are two whole chunks and a part."""
    import torch

    from lab_lib.models.fast_cpu.chunked_attention import ChunkedAttention

    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, tokens, 8, dtype=torch.float64, requires_grad=True) for _ in range(3))
    upstream = torch.randn(2, 3, tokens, 8, dtype=torch.float64)
    found = []
    for attend in (
        lambda: ChunkedAttention.apply(query * 8**-0.5, key, value),
        lambda: torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True),
    ):
        out = attend()
        found.append([out, *torch.autograd.grad(out, (query, key, value), upstream)])
    for ours, theirs in zip(*found, strict=True):
        assert (ours - theirs).abs().max() < 1e-12


def loaded(folder: Path, attention: str = "auto", dtype: str = "bf16"):
    return load_model(ModelConfig(str(folder), quantisation="none", dtype=dtype, attention=attention), True, full=True)


@pytest.mark.parametrize("tiny", [tiny_llama, tiny_neox])
def test_a_model_learns_the_same_with_chunks_as_with_the_fused_kernel(tmp_path: Path, tiny):
    """fp32 computations, so that the only difference is the order of sums; grouped-query attention for Llama."""
    import torch

    folder = tiny(tmp_path, num_key_value_heads=2) if tiny is tiny_llama else tiny(tmp_path)
    made = [{n: ids * 14 for n, ids in row.items()} for row in to_rows(training_job.examples(3), eos=2)]
    found = []
    for attention in ("auto", "sdpa"):
        model = loaded(folder, attention).model.requires_grad_(True)
        assert model.config._attn_implementation == ("chunked" if attention == "auto" else "sdpa")
        training_mode(model, gradient_checkpointing=False)
        batching = batching_for(model, 0)
        assert made[2]["input_ids"].__len__() > 128  # more than one strip
        batching(model, batching.collate(made)).backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert (found[0] - found[1]).norm() < 1e-5 * found[1].norm()


def test_chunks_are_for_decoders_in_bf16_on_a_cpu_and_say_so(tmp_path: Path):
    choice = loaded(tiny_llama(tmp_path / "llama")).choices["attention"]
    assert choice.value == "chunked" and "decoding" in choice.reason
    assert loaded(tmp_path / "llama", dtype="fp32").choices["attention"].value == "sdpa"
    assert load_model(ModelConfig(str(tmp_path / "llama"), dtype="bf16")).choices["attention"].value == "sdpa"
    for name, tiny in (
        ("falcon", tiny_falcon),
        ("t5", tiny_t5),
    ):  # not from transformers' registry; not a decoder alone
        assert loaded(tiny(tmp_path / name)).choices["attention"].value == "sdpa"


def test_masks_are_obeyed_and_decoding_does_not_change(tmp_path: Path):
    """A mask of left padding, where some tokens see nothing; and without gradients the kernel is the fused one."""
    import torch

    chunks, fused = (loaded(folder_of, attention).model.eval() for folder_of, attention in
                     ((tiny_llama(tmp_path), "auto"), (tmp_path, "sdpa")))  # fmt: skip
    ids = torch.arange(10, 20).reshape(2, 5)
    mask = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    theirs = fused(ids, attention_mask=mask).logits
    ours = chunks(ids, attention_mask=mask).logits
    assert not ours.isnan().any() and (ours - theirs)[mask.bool()].abs().max() < 1e-5
    with torch.no_grad():
        assert torch.equal(chunks(ids, attention_mask=mask).logits, theirs)
        assert torch.equal(chunks(ids).logits, fused(ids).logits)


def test_a_saved_model_does_not_name_chunks(tmp_path: Path):
    """Another program that loads the folder knows no such attention."""
    model = loaded(tiny_llama(tmp_path / "base")).model
    model.save_pretrained(tmp_path / "saved")
    assert "chunked" not in (tmp_path / "saved" / "config.json").read_text()


def test_chunks_that_are_asked_for_are_those_of_auto(tmp_path: Path):
    base = tiny_llama(tmp_path)
    assert loaded(base, attention="chunked").choices["attention"] == loaded(base).choices["attention"]
