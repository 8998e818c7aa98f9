"""Merged for generation: the same function, nothing left behind."""

from __future__ import annotations

import pytest
from tiny_models import FAMILIES, forward, tiny_llama

from lab_lib.errors import LabError
from lab_lib.models.config import ModelConfig
from lab_lib.models.fast_cpu.merged_for_decoding import in_float64, merge_choice, merged_for_decoding, merged_layer
from lab_lib.models.model import generation_mode, load_model, training_mode
from lab_lib.training.lora import LoraConfig, attach_lora


def adapted(folder, quantisation: str, dtype: str = "fp32"):
    import torch

    loaded = load_model(ModelConfig(name=str(folder), quantisation=quantisation, dtype=dtype), for_training=True)
    torch.manual_seed(0)
    model, _ = attach_lora(loaded.model, LoraConfig(rank=4))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)  # B starts at zero: without this the adapter would change nothing
    return model


@pytest.mark.parametrize("quantisation", ["4bit", "none"])
def test_merged_logits_are_those_of_base_and_adapter(tmp_path, quantisation):
    import torch

    model = adapted(tiny_llama(tmp_path), quantisation)
    generation_mode(model)
    ids = torch.tensor([[1, 20, 30, 40, 50, 60]])
    with torch.no_grad():
        wanted = model(ids).logits
        with model.disable_adapter():
            base = model(ids).logits
        with merged_for_decoding(model):
            found = model(ids).logits
    assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert (base - wanted).abs().max() > 100 * (found - wanted).abs().max()


def test_afterwards_every_layer_is_back_and_training_goes_on(tmp_path):
    import torch

    model = adapted(tiny_llama(tmp_path), "4bit", "auto")
    before = {name: module for name, module in model.named_modules()}
    generation_mode(model)
    with pytest.raises(RuntimeError, match="in the middle"), merged_for_decoding(model):
        assert any(module is not before[name] for name, module in model.named_modules() if name in before)
        raise RuntimeError("in the middle")
    assert all(module is before[name] for name, module in model.named_modules())
    training_mode(model, False)
    ids = torch.tensor([[1, 20, 30, 40]])
    model(input_ids=ids, labels=ids).loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in model.named_parameters() if "lora_A" in n)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_merges_to_the_same_logits(family, tmp_path):
    import torch

    model = adapted(FAMILIES[family](tmp_path), "4bit")
    generation_mode(model)
    with torch.no_grad():
        wanted = forward(model).logits
        with merged_for_decoding(model):
            found = forward(model).logits
    assert (found - wanted).abs().max() < 1e-3 * wanted.abs().max()


def test_what_is_neither_quantised_nor_adapted_is_left_alone(tmp_path):
    import torch

    assert merged_layer(torch.nn.Linear(4, 4)) is None and merged_layer(torch.nn.LayerNorm(4)) is None
    assert merge_choice(adapted(tiny_llama(tmp_path), "4bit")).value == "yes"


@pytest.mark.parametrize("quantisation", ["4bit", "none"])
def test_exact_computes_in_float64_and_every_weight_comes_back_to_the_bit(tmp_path, quantisation):
    import torch

    model = adapted(tiny_llama(tmp_path), quantisation, "bf16" if quantisation == "none" else "auto")
    generation_mode(model)
    ids = torch.tensor([[1, 20, 30, 40, 50, 60]])
    before = {name: tensor.clone() for name, tensor in model.state_dict().items() if isinstance(tensor, torch.Tensor)}
    with torch.no_grad(), merged_for_decoding(model, exact=True):
        logits = model(ids).logits
        padded = model(torch.cat([ids, ids])).logits[1:]
    assert logits.dtype == torch.float64 and (logits - padded).abs().max() < 1e-13
    after = model.state_dict()
    assert all(
        torch.equal(tensor, after[name]) and tensor.dtype == after[name].dtype for name, tensor in before.items()
    )


def test_exact_is_refused_where_quantised_weights_are_not_merged(tmp_path):
    model = adapted(tiny_llama(tmp_path), "4bit")
    with pytest.raises(LabError, match=r"decoding.exact: quantised weights have no float64"), in_float64(model):
        raise AssertionError("never reached")
