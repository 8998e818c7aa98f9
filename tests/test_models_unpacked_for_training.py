"""4-bit weights unpacked once, in bf16 fused with their adapters: equal loss and gradients to the bit, nothing left
behind."""

from __future__ import annotations

import pytest
from tiny_models import FAMILIES, tiny_llama

from lab_lib.models.config import ModelConfig
from lab_lib.models.fast_cpu import unpacked_for_training as module
from lab_lib.models.fast_cpu.fused_adapters import plain_adapters
from lab_lib.models.fast_cpu.unpacked_for_training import unpack_choice, unpacked_for_training
from lab_lib.models.hardware import autocast
from lab_lib.models.model import load_model, training_mode
from lab_lib.training.lora import LoraConfig, attach_lora


def adapted(folder, quantisation="4bit", dtype="fp32", double_quant=True, dropout=0.0):
    import torch

    config = ModelConfig(name=str(folder), quantisation=quantisation, dtype=dtype, double_quant=double_quant)
    loaded = load_model(config, for_training=True)
    torch.manual_seed(0)
    model, _ = attach_lora(loaded.model, LoraConfig(rank=4, dropout=dropout))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    training_mode(model, False)
    return model, loaded


def step(model, loaded):
    """Return the loss and all gradients of one batch."""
    import torch

    ids = torch.tensor([[3, 20, 30, 40, 50, 60], [5, 21, 31, 41, 51, 61]])
    torch.manual_seed(0)  # of dropout
    model.zero_grad()
    with autocast(loaded.device, loaded.dtype):
        loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("dtype, fused", [("fp32", False), ("bf16", True)])
@pytest.mark.parametrize("double_quant", [True, False])
def test_loss_and_gradients_are_equal_to_the_bit(dtype, fused, double_quant, tmp_path):
    same_step(*adapted(tiny_llama(tmp_path), dtype=dtype, double_quant=double_quant), fused=fused)


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize("dtype, fused", [("fp32", False), ("bf16", True)])
def test_they_are_for_every_family(family, dtype, fused, tmp_path):
    same_step(*adapted(FAMILIES[family](tmp_path), dtype=dtype), fused=fused)


def test_adapters_with_dropout_are_not_fused(tmp_path):
    same_step(*adapted(tiny_llama(tmp_path), dtype="bf16", dropout=0.5), fused=False)


def test_outside_autocast_and_without_its_adapter_a_layer_computes_for_itself(tmp_path):
    import torch

    model, loaded = adapted(tiny_llama(tmp_path), dtype="bf16")
    ids = torch.tensor([[3, 20, 30, 40]])

    def outputs():
        with torch.no_grad():
            plain = model(input_ids=ids).logits
            with model.disable_adapter(), autocast(loaded.device, loaded.dtype):
                return plain, model(input_ids=ids).logits

    wanted = outputs()
    with unpacked_for_training(model, unpack_choice(model, 12)):
        found = outputs()
    assert all(torch.equal(*pair) for pair in zip(found, wanted, strict=True))
    assert not torch.equal(*wanted)


def same_step(model, loaded, fused):
    wanted, gradients = step(model, loaded)
    layers, adapters = module._four_bit(model), list(plain_adapters(model))
    assert layers and unpack_choice(model, 12).value == "yes" and bool(adapters) == fused
    layers = [*layers, *adapters]
    with pytest.raises(RuntimeError, match="in the middle"), unpacked_for_training(model, unpack_choice(model, 12)):
        found, other = step(model, loaded)
        assert all("forward" in vars(layer) for layer in layers)
        raise RuntimeError("in the middle")
    assert found == wanted and gradients.keys() == other.keys() and len(gradients) > 2
    assert all((gradients[name] == other[name]).all() for name in gradients)
    assert not any("forward" in vars(layer) for layer in layers)


def test_other_models_are_left_alone(tmp_path, monkeypatch):
    model, _ = adapted(tiny_llama(tmp_path), quantisation="none")
    assert unpack_choice(model, 12).reason == "no weight is packed"
    model, _ = adapted(tiny_llama(tmp_path))
    assert "have 300 tokens" in unpack_choice(model, 300).reason
    monkeypatch.setattr(module, "LARGEST", 10)
    assert "more than 10 weights" in unpack_choice(model, 12).reason
    with unpacked_for_training(model, unpack_choice(model, 12)):
        assert not any("forward" in vars(layer) for layer in module._four_bit(model))
