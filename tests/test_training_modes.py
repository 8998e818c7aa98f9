"""A quantised model trains and generates in turn: gradients, dtypes, the cache, checkpointing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import FAMILIES, forward, tiny_llama

from lab_lib.models.config import ModelConfig
from lab_lib.models.model import generation_mode, load_model, training_mode
from lab_lib.training.lora import LoraConfig, attach_lora


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: make(folder / name) for name, make in FAMILIES.items()}


def load(folder: Path, quantisation: str = "none", for_training: bool = False, **settings):
    return load_model(ModelConfig(str(folder), quantisation=quantisation, **settings), for_training)


def gradients(model) -> dict:
    """Return the gradient of every trained weight after one backward pass of a fixed loss."""
    import torch

    torch.manual_seed(0)  # T5 has dropout of its own
    model.zero_grad()
    forward(model).logits.square().mean().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


def adapted(folder: Path, quantisation: str):
    """Return a model to train with LoRA, all gradients of which are non-zero."""
    import torch

    torch.manual_seed(0)
    model, _ = attach_lora(load(folder, quantisation, for_training=True).model, LoraConfig(rank=2, dropout=0.0))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.mark.parametrize("quantisation", ["none", "8bit", "4bit"])
def test_generating_in_the_middle_of_training_changes_no_gradient(models, quantisation):
    import torch

    model = adapted(models["llama"], quantisation)
    training_mode(model, gradient_checkpointing=False)
    before = gradients(model)
    generation_mode(model)
    with torch.no_grad():
        forward(model)
    training_mode(model, gradient_checkpointing=False)
    after = gradients(model)
    assert all(grad.abs().max() > 0 for grad in before.values())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_model_that_has_generated_can_be_trained(models):
    """On some CPUs bitsandbytes would repack 4-bit weights, while generating, for a kernel without backward pass."""
    import torch

    model = load(models["llama"], "4bit").model
    with torch.no_grad():
        forward(model)
    training_mode(model, gradient_checkpointing=False)
    layers = model.model.layers[0].mlp, torch.ones(1, 1, 64, requires_grad=True)
    layers[0](layers[1]).sum().backward()
    assert layers[1].grad.abs().max() > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_gives_the_same_gradients(models, family):
    import torch

    model = adapted(models[family], "4bit")
    training_mode(model, gradient_checkpointing=False)
    assert model.training and model.config.use_cache is False
    plain = gradients(model)
    training_mode(model, gradient_checkpointing=True)
    checkpointed = gradients(model)
    assert all(torch.allclose(plain[name], checkpointed[name], rtol=1e-4, atol=1e-7) for name in plain)
    assert any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    generation_mode(model)
    assert not model.training and model.config.use_cache is True
    assert not any(getattr(module, "gradient_checkpointing", False) for module in model.modules())


def test_layers_of_odd_widths_generate(tmp_path):
    """172 is no multiple of 32, which the kernel that bitsandbytes repacks for refuses."""
    import torch

    folder = tiny_llama(tmp_path / "odd", intermediate_size=172)
    with torch.no_grad():
        outputs = [forward(load(folder, q, dtype="fp32").model).logits for q in ("none", "4bit")]
    assert 0 < (outputs[0] - outputs[1]).norm() < 0.5 * outputs[0].norm()


def test_training_and_generating_see_the_same_four_bit_weights(models):
    import torch

    model = load(models["llama"], "4bit", dtype="fp32").model
    with_graph = forward(model).logits
    with torch.no_grad():
        assert torch.equal(forward(model).logits, with_graph)


@pytest.mark.parametrize("quantisation", ["8bit", "4bit"])
def test_what_is_not_quantised_is_prepared_in_fp32_and_frozen(models, quantisation):
    import torch

    model = load(models["llama"], quantisation, for_training=True).model
    kinds = {type(p).__name__ for p in model.parameters()}
    assert kinds == {"Parameter", "Params4bit" if quantisation == "4bit" else "Int8Params"}
    assert {p.dtype for p in model.parameters() if type(p).__name__ == "Parameter"} == {torch.float32}
    assert not any(p.requires_grad for p in model.parameters())
