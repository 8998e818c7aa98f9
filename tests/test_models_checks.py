"""Empty adapters, adapters that do nothing, and adapters of NaN are told from real ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import IDS, tiny_adapter, tiny_llama, tiny_t5

from lab_lib.errors import LabError
from lab_lib.models.checks import (
    adapter_changes_logits,
    adapter_norm,
    logits,
    require_adapter_effect,
    require_saved_adapter,
)
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model
from lab_lib.training.lora import LoraConfig, attach_lora


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("checks") / "base")


@pytest.fixture()
def trained(base, tmp_path):
    return adapted(base, tiny_adapter(base, tmp_path / "adapter"))


def adapted(base: Path, adapter: Path, quantisation: str = "none"):
    return load_model(ModelConfig(str(base), quantisation=quantisation, adapter=str(adapter)), for_training=True).model


def layer_b(model):
    return model.base_model.model.model.layers[0].mlp.up_proj.lora_B["default"].weight


def test_the_norm_is_that_of_the_dense_update(trained):
    dense = 0.0
    for module in trained.base_model.model.modules():
        if hasattr(module, "get_delta_weight"):
            dense += module.get_delta_weight("default").double().square().sum().item()
    assert adapter_norm(trained) == pytest.approx(dense**0.5, rel=1e-5)
    assert dense > 0


def test_an_adapter_that_works_is_measured(trained):
    change = require_adapter_effect(trained, IDS)
    with trained.disable_adapter():
        without = logits(trained, IDS)
    assert change == (logits(trained, IDS) - without).abs().max().item() > 0
    assert adapter_changes_logits(trained, IDS) == change


def test_checking_leaves_the_model_as_it_was(trained):
    trained.train()
    require_adapter_effect(trained, IDS)
    assert trained.training
    trained.eval()
    require_adapter_effect(trained, IDS)
    assert not trained.training


def test_checking_a_quantised_model_keeps_it_trainable(base, tmp_path):
    import torch

    model = adapted(base, tiny_adapter(base, tmp_path / "adapter"), "4bit")
    require_adapter_effect(model, IDS)
    model(torch.tensor([IDS])).logits.square().mean().backward()
    assert all(p.grad.abs().max() > 0 for p in model.parameters() if p.requires_grad)


def test_an_encoder_decoder_is_checked_too(tmp_path):
    base = tiny_t5(tmp_path / "t5")
    assert require_adapter_effect(adapted(base, tiny_adapter(base, tmp_path / "adapter")), IDS) > 0


def test_an_untrained_adapter_is_refused(base):
    model, _ = attach_lora(load_model(ModelConfig(str(base)), for_training=True).model, LoraConfig())
    assert adapter_norm(model) == 0.0
    assert adapter_changes_logits(model, IDS) == 0.0
    with pytest.raises(LabError, match="the adapter is untrained"):
        require_adapter_effect(model, IDS)


def test_an_adapter_too_small_to_change_a_logit_is_refused(base, tmp_path):
    model = adapted(base, tiny_adapter(base, tmp_path / "adapter", scale=1e-20))
    assert adapter_norm(model) > 0
    with pytest.raises(LabError, match="the adapter changes no logit"):
        require_adapter_effect(model, IDS)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_adapter_that_diverged_is_refused(trained, value):
    layer_b(trained).data[0, 0] = value
    with pytest.raises(LabError, match="training diverged"):
        require_adapter_effect(trained, IDS)


def test_a_base_that_overflows_is_refused(trained):
    trained.base_model.model.model.norm.weight.data[:] = float("inf")
    with pytest.raises(LabError, match="logits are not numbers"):
        require_adapter_effect(trained, IDS)


def test_a_saved_adapter_is_the_one_in_memory(trained, tmp_path):
    trained.save_pretrained(tmp_path / "saved")
    # 4,352 weights at rank 2 are 8,704 at rank 4, of four bytes, and a header.
    assert 8_704 * 4 < require_saved_adapter(trained, tmp_path / "saved") < 8_704 * 4 + 5_000
    layer_b(trained).data[0, 0] += 1
    with pytest.raises(LabError, match=r"up_proj\.lora_B\.weight in the file is not what the model holds"):
        require_saved_adapter(trained, tmp_path / "saved")


def test_an_adapter_saved_empty_is_noticed(trained, tmp_path):
    from safetensors.torch import load_file, save_file

    trained.save_pretrained(tmp_path / "saved")
    path = tmp_path / "saved" / "adapter_model.safetensors"
    tensors = load_file(path)
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, path)
    with pytest.raises(LabError, match="1 tensors on one side only"):
        require_saved_adapter(trained, tmp_path / "saved")
    save_file({}, path)
    with pytest.raises(LabError, match="the file holds no weights"):
        require_saved_adapter(trained, tmp_path / "saved")
