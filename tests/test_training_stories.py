"""A real third-party checkpoint (stories260K, Llama architecture) through every step of fine-tuning."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab_lib.models.checks import adapter_norm, logits, require_adapter_effect, require_saved_adapter
from lab_lib.models.config import ModelConfig
from lab_lib.models.hardware import autocast
from lab_lib.models.merge import merge_adapter
from lab_lib.models.model import generation_mode, load_model, training_mode
from lab_lib.training.lora import LoraConfig, attach_lora

pytestmark = pytest.mark.real
STORY = "Once upon a time, there was a little girl named Lily."
TEXT = "user> the train to the hills , please\nbot> it leaves at nine ."


@pytest.fixture()
def stories(lab_data) -> Path:
    folder = lab_data / "stories260K" / "hf_llama_format"
    if not folder.is_dir():
        pytest.skip("LAB_DATA has no stories260K")
    return folder


def test_it_is_the_trained_model(stories):
    """264,128 floats in the original file; perplexity on a sentence of its kind far below the vocabulary's 512."""
    import torch
    from torch.nn.functional import cross_entropy

    for quantisation, worst in (("none", 4.0), ("4bit", 8.0)):
        loaded = load_model(ModelConfig(str(stories), quantisation=quantisation, dtype="fp32"))
        ids = loaded.tokenizer(STORY)["input_ids"]
        loss = cross_entropy(logits(loaded.model, ids)[:-1], torch.tensor(ids[1:]))
        assert torch.exp(loss).item() < worst
    assert "35 of 35 linear layers" in loaded.choices["weights"].reason
    assert loaded.tokenizer.pad_token_id not in (None, loaded.tokenizer.eos_token_id)


def test_train_save_reload_merge(stories, tmp_path):
    import torch

    config = ModelConfig(str(stories))
    loaded = load_model(config, for_training=True)
    torch.manual_seed(0)
    model, summary = attach_lora(loaded.model, LoraConfig(rank=8, dropout=0.0))
    assert len(summary.modules) == 35
    training_mode(model, gradient_checkpointing=True)
    ids = torch.tensor([loaded.tokenizer(TEXT)["input_ids"]])
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(4):
        with autocast(loaded.device, loaded.dtype):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.2
    generation_mode(model)
    assert adapter_norm(model) > 0
    model.save_pretrained(tmp_path / "adapter")
    assert require_saved_adapter(model, tmp_path / "adapter") > 4 * summary.trainable

    again = load_model(ModelConfig(str(stories), adapter=str(tmp_path / "adapter")), for_training=True)
    assert torch.equal(logits(again.model, ids[0]), logits(model, ids[0]))
    assert require_adapter_effect(again.model, ids[0]) > 0.1
    generating = load_model(ModelConfig(str(stories), adapter=str(tmp_path / "adapter")))
    assert torch.equal(logits(generating.model, ids[0]), logits(model, ids[0]))

    result = merge_adapter(config, str(tmp_path / "adapter"), tmp_path / "merged", input_ids=ids[0].tolist())
    assert result.max_difference < result.effect / 2 and result.effect > 0.1
    reloaded = load_model(ModelConfig(str(tmp_path / "merged")))
    assert reloaded.tokenizer(TEXT)["input_ids"] == ids[0].tolist()
