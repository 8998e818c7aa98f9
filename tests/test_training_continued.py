"""Training that starts from a saved adapter: that adapter is trained further, the base stays as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import training_job
from tiny_models import FAMILIES, IDS, tiny_adapter, tiny_llama

from lab_lib.errors import LabError
from lab_lib.files import read_jsonl
from lab_lib.models.adapter import load_adapter
from lab_lib.models.checks import logits, require_saved_adapter
from lab_lib.models.config import ModelConfig
from lab_lib.models.hub import find_source
from lab_lib.models.model import load_model, training_mode
from lab_lib.training.config import TrainConfig
from lab_lib.training.lora import LoraConfig, attach_lora, check_start
from lab_lib.training.loss import batching_for

LORA = LoraConfig(rank=4, alpha=8, dropout=0.0, embeddings=True)
EXAMPLES = training_job.examples(4)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    made = {name: make(folder / name) for name, make in FAMILIES.items()}
    return {**made, "tied llama": tiny_llama(folder / "tied", tie_word_embeddings=True)}


def start(base: Path, adapter: Path | None, lora: LoraConfig = LORA, quantisation: str = "4bit"):
    """Return (the model to train, the Loaded it comes from, the summary)."""
    import torch

    config = ModelConfig(str(base), quantisation=quantisation, dtype="fp32", adapter=str(adapter) if adapter else None)
    loaded = load_model(config, for_training=True)
    torch.manual_seed(0)
    return (*attach_lora(loaded.model, lora), loaded)


def learn(base: Path, run: Path, adapter: Path | None = None, steps: int = 2, lora: LoraConfig = LORA, callbacks=()):
    """Train all examples in every step and save the adapter in `run`; return the model."""
    from lab_lib.training.trainer import train

    model, _, loaded = start(base, adapter, lora)
    training_mode(model, False)
    config = TrainConfig(steps=steps, batch_size=4, micro_batch_size=4, learning_rate=1e-2, schedule="constant",
                         warmup=0.0, log_every=1, save_every=1)  # fmt: skip
    train(model, EXAMPLES, config, run, pad=0, eos=2, precision=loaded.dtype, callbacks=callbacks)
    model.save_pretrained(run / "adapter")
    return model


def tensors(adapter: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(adapter / "adapter_model.safetensors")


@pytest.mark.parametrize("family", ["llama", "tied llama"])
def test_a_continued_run_starts_where_the_adapter_ended(models, tmp_path, family):
    import torch

    base = models[family]
    files = {path.name: path.read_bytes() for path in base.iterdir()}
    learn(base, tmp_path / "first")
    before, _, _ = start(base, tmp_path / "first" / "adapter")
    weights = {name: value.clone() for name, value in before.get_base_model().state_dict().items()}
    batch = batching_for(before, 0)
    rows = [{"input_ids": [*e.ids], "labels": [i if m else -100 for i, m in zip(e.ids, e.loss_mask, strict=True)]}
            for e in EXAMPLES]  # fmt: skip
    with torch.no_grad():
        loss = batch(before, batch.collate(rows)).item()

    after = learn(base, tmp_path / "second", tmp_path / "first" / "adapter")
    assert read_jsonl(tmp_path / "second" / "log.jsonl")[0]["loss"] == pytest.approx(loss, rel=1e-5)
    assert loss < read_jsonl(tmp_path / "first" / "log.jsonl")[0]["loss"]
    first, second = (tensors(tmp_path / name / "adapter") for name in ("first", "second"))
    assert first.keys() == second.keys() and not any(torch.equal(first[name], second[name]) for name in first)
    kept = {n: v for n, v in after.get_base_model().state_dict().items() if "lora_" not in n and "modules_to" not in n}
    assert all(torch.equal(value, weights[name]) for name, value in kept.items()) and len(kept) > 20
    assert {path.name: path.read_bytes() for path in base.iterdir()} == files

    assert require_saved_adapter(after, tmp_path / "second" / "adapter") > 0
    alone = load_model(ModelConfig(str(base), dtype="fp32", adapter=str(tmp_path / "second" / "adapter")))
    assert torch.equal(logits(alone.model, IDS), logits(after, IDS))


@pytest.mark.parametrize("family", [*FAMILIES, "tied llama"])
@pytest.mark.parametrize("quantisation", ["none", "4bit"])
def test_the_continued_adapter_is_counted_as_the_new_one_was(models, tmp_path, family, quantisation):
    import torch

    lora = LoraConfig(rank=4, alpha=8, modules="attention", dropout=0.25, embeddings=True)
    model, new, _ = start(models[family], None, lora, quantisation)
    model.save_pretrained(tmp_path / "adapter")
    model, continued, _ = start(models[family], tmp_path / "adapter", lora, quantisation)
    assert continued == new
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == new.trainable
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    shares = {m.p for name, m in model.named_modules() if "lora_dropout" in name and isinstance(m, torch.nn.Dropout)}
    assert shares == {0.25}
    no_dropout, _, _ = start(models[family], tmp_path / "adapter", LoraConfig(**{**vars(lora), "dropout": 0.0}))
    assert no_dropout.peft_config["default"].lora_dropout == 0.0
    assert not any(isinstance(m, torch.nn.Dropout) and "lora_" in n for n, m in no_dropout.named_modules())


def test_a_continued_run_that_is_killed_resumes_to_the_same_adapter(models, tmp_path):
    from transformers import TrainerCallback

    class Die(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 3:
                raise KeyboardInterrupt

    base, lora = models["tied llama"], LoraConfig(**{**vars(LORA), "dropout": 0.1})
    adapter = tiny_adapter(base, tmp_path / "adapter", alpha=8, embeddings=True)
    learn(base, tmp_path / "whole", adapter, 4, lora)
    with pytest.raises(KeyboardInterrupt):
        learn(base, tmp_path / "broken", adapter, 4, lora, [Die()])
    learn(base, tmp_path / "broken", adapter, 4, lora)
    whole, broken = (tensors(tmp_path / name / "adapter") for name in ("whole", "broken"))
    assert all((whole[name] == broken[name]).all() for name in whole)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "full"}, r"lora.method=full: training every weight cannot start from model.adapter=.*'lab merge'"),
        ({"rank": 8}, r"lora.rank=8: model.adapter=.* was trained with other values; set lora.rank=4$"),
        ({"alpha": 32.0, "rslora": True}, r"lora.alpha=32.0 lora.rslora=True: .* set lora.alpha=8.0 lora.rslora=false"),
        ({"embeddings": False}, r"set lora.embeddings=true$"),
        ({"rank": 0}, r"lora.rank: 0, expected at least 1"),
    ],
)
def test_other_settings_are_refused_before_any_weight_is_loaded(models, tmp_path, changes, said):
    adapter = tiny_adapter(models["llama"], tmp_path / "adapter", alpha=8, embeddings=True)
    check_start(ModelConfig(str(models["llama"]), adapter=str(adapter)), LORA)
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(LabError, match=said) as caught:
        check_start(ModelConfig("no such model", adapter=str(adapter)), LoraConfig(**{**vars(LORA), **changes}))
    assert "\n" not in str(caught.value)


def test_an_adapter_on_other_layers_is_refused_with_the_selector_it_has(models, tmp_path):
    adapter = tiny_adapter(models["llama"], tmp_path / "adapter", alpha=8, embeddings=True, modules="attention")
    with pytest.raises(LabError, match=r"lora.modules=linear: 14 layers, and the adapter has 8; .*modules=attention$"):
        start(models["llama"], adapter)
    with pytest.raises(LabError, match=r"expected 'LORA'"):
        (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "IA3"}))
        check_start(ModelConfig(str(models["llama"]), adapter=str(adapter)), LORA)


@pytest.mark.parametrize("trainable", [False, True])
def test_on_a_16_bit_base_embeddings_are_rounded_for_decoding_and_exact_for_training(models, tmp_path, trainable):
    """As on a GPU: PEFT's copy of the embeddings has the base's 16 bits."""
    import torch

    learn(models["llama"], tmp_path)
    base = load_model(ModelConfig(str(models["llama"]), quantisation="none"), for_training=trainable).model.bfloat16()
    adapted, _ = load_adapter(base, str(tmp_path / "adapter"), find_source(str(models["llama"])), trainable)
    held = adapted.get_base_model().lm_head.modules_to_save["default"].weight
    stored = tensors(tmp_path / "adapter")["base_model.model.lm_head.weight"]
    assert held.dtype == (torch.float32 if trainable else torch.bfloat16)
    assert torch.equal(held, stored.to(held.dtype)) and not torch.equal(stored, stored.bfloat16().float())
