"""Token vectors that are trained beside an adapter: tied ones stay one matrix, and come back as they were saved."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file
from tiny_models import FAMILIES, IDS, tiny_llama

from lab_lib.models.checks import adapter_changes_logits, logits, require_saved_adapter
from lab_lib.models.config import ModelConfig
from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
from lab_lib.models.merge import merge_adapter
from lab_lib.models.model import load_model
from lab_lib.training.lora import LoraConfig, attach_lora

UNSEEN = 77  # a token that IDS does not have: its vector moves as an output, never as an input


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    made = {name: make(folder / name) for name, make in FAMILIES.items()}
    return {**made, "tied llama": tiny_llama(folder / "tied", tie_word_embeddings=True)}


def trained(folder: Path, quantisation: str, embeddings: bool = True):
    """Return (a model after two steps of descent, what is trained in it)."""
    import torch

    model = load_model(ModelConfig(str(folder), quantisation=quantisation), for_training=True).model
    model, summary = attach_lora(model, LoraConfig(rank=2, dropout=0.0, embeddings=embeddings))
    model.train()
    ids = torch.tensor([IDS])
    optimiser = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=1.0)
    for _ in range(2):
        optimiser.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimiser.step()
    return model, summary


def vectors(model) -> tuple:
    """Return the weights in use: of the token embeddings and of the output layer."""
    base = model.get_base_model()
    found = []
    for layer in (base.get_input_embeddings(), base.get_output_embeddings()):
        found.append(layer.modules_to_save["default"].weight if hasattr(layer, "modules_to_save") else layer.weight)
    return tuple(found)


@pytest.mark.parametrize("family", [*FAMILIES, "tied llama"])
@pytest.mark.parametrize("quantisation", ["none", "4bit"])
def test_vectors_are_trained_saved_and_put_back(models, tmp_path, family, quantisation):
    import torch

    base = load_model(ModelConfig(str(models[family]), quantisation=quantisation)).model
    model, summary = trained(models[family], quantisation)
    before, after = base.get_input_embeddings().weight, vectors(model)
    assert str(summary).endswith("the token embeddings")
    assert not torch.equal(before.float(), after[0].float())
    tied = base.get_input_embeddings().weight is base.get_output_embeddings().weight
    assert (after[0].data_ptr() == after[1].data_ptr()) == tied
    assert summary.trainable == sum(weight.numel() for weight in model.parameters() if weight.requires_grad)

    model.save_pretrained(tmp_path / "adapter")
    assert require_saved_adapter(model, tmp_path / "adapter") > 0
    back = load_model(ModelConfig(str(models[family]), quantisation=quantisation, adapter=str(tmp_path / "adapter")))
    assert torch.equal(logits(back.model, IDS), logits(model, IDS))
    assert adapter_changes_logits(back.model, IDS) > 0
    with back.model.disable_adapter():
        assert torch.equal(logits(back.model, IDS), logits(base, IDS))


def test_only_with_embeddings_does_a_token_never_read_get_another_logit_by_its_own_vector(models):
    import torch

    for embeddings in (False, True):
        model, _ = trained(models["llama"], "4bit", embeddings)
        base = load_model(ModelConfig(str(models["llama"]), quantisation="4bit")).model
        now, then = (m.get_output_embeddings().weight[UNSEEN] for m in (model.get_base_model(), base))
        if embeddings:
            now = vectors(model)[1][UNSEEN]
        assert torch.equal(now.float(), then.float()) != embeddings


def test_merged_for_generating_it_is_the_same_model(models):
    model, _ = trained(models["tied llama"], "4bit")
    wanted = logits(model, IDS)
    with merged_for_decoding(model):
        difference = (logits(model, IDS) - wanted).abs().max()
    # Unpacked and merged, sums are rounded elsewhere (bf16 against fp32: 1 part in 256); without the new vectors it
    # is another model.
    assert difference < 0.05 < adapter_changes_logits(model, IDS)


@pytest.mark.parametrize("family", ["llama", "tied llama"])
def test_merged_it_is_an_ordinary_model_with_the_new_vectors(models, tmp_path, family):
    import torch

    model, _ = trained(models[family], "none")
    model.save_pretrained(tmp_path / "adapter")
    merged = merge_adapter(
        ModelConfig(str(models[family])), str(tmp_path / "adapter"), tmp_path / "merged", "fp32", input_ids=IDS
    )
    read = load_model(ModelConfig(str(merged.folder), quantisation="none", dtype="fp32")).model
    assert torch.equal(read.get_input_embeddings().weight, vectors(model)[0].float())
    assert torch.equal(read.get_output_embeddings().weight, vectors(model)[1].float())
    stored = load_file(merged.folder / "model.safetensors")
    assert ("lm_head.weight" in stored) == (family == "llama")  # tied vectors are written once
