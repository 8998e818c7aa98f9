"""The memory estimate of a dry run: its arithmetic, and the peaks of recorded runs; the settings that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab_lib.files import read_json
from lab_lib.models.config import ModelConfig
from lab_lib.runs.config import load_recipe
from lab_lib.runs.dry_run import changed_settings
from lab_lib.training.lora import LoraConfig, attach_lora
from lab_lib.training.memory import memory_estimate, memory_parts

RESULTS = Path(__file__).parent.parent / "results"
SMOLLM2 = {
    "hidden_size": 576, "num_hidden_layers": 30, "intermediate_size": 1536, "vocab_size": 49_152,
    "num_attention_heads": 9, "num_key_value_heads": 3,
}  # fmt: skip


def without_weights(sizes: dict[str, int]) -> Any:
    """A Llama of these sizes that takes no memory."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    with torch.device("meta"):
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes)).bfloat16()


def test_the_parts_on_a_gpu_are_sums():
    sizes = {"hidden_size": 4096, "num_hidden_layers": 32, "intermediate_size": 11_008, "vocab_size": 32_000}
    model, tokens = without_weights(sizes), 4 * 1024  # LLaMA 7B
    # A layer keeps (8 + 2) x 4096 + 4 x 11,008 values in 2 bytes, 169,984 bytes a token: 22.28 GB; the logits
    # 4096 x 8 x 32,000 = 1.05 GB
    assert "activations 23.33)" in memory_estimate(model, 0, tokens, tokens)
    # One whole layer, and of each of the 32 its input, 2 x 4096 bytes a token: 1.77 GB and the logits
    assert "activations 2.82)" in memory_estimate(model, 0, tokens, tokens, gradient_checkpointing=True)
    line = memory_estimate(model, 10_000_000, tokens, tokens)
    assert "weights 13.48, gradients and optimiser 0.12" in line and "the GPU, by arithmetic alone" in line


@pytest.mark.parametrize(
    ("record", "rows", "longest", "supervised"),  # of a micro batch, as the dry run of the recipe counts them
    [
        ("town-qlora-cpu", 4, 767, 327),
        ("town-end-to-end-cpu", 4, 1018, 646),
        ("multiwoz22-qlora-cpu", 8, 767, 341),
        ("multiwoz22-plan-cpu", 8, 767, 377),
        ("t5-scratch-cpu", 4, 767, 62),
    ],
)
def test_the_estimate_is_within_a_quarter_of_what_was_measured(record, rows, longest, supervised):
    pytest.importorskip("bitsandbytes")
    from lab_lib.models.model import load_model

    kept = read_json(RESULTS / record / "record.json")
    measured = kept.get("stage_peak_memory_gb", {}).get("train") or kept["peak_memory_gb"]
    model, lora = kept["config"]["model"], kept["config"]["lora"]
    full = lora["method"] == "full"
    loaded = load_model(
        ModelConfig(name=model["name"], quantisation=model["quantisation"], from_scratch=model["from_scratch"]),
        for_training=True, full=full,
    )  # fmt: skip
    known = {name: lora[name] for name in ("method", "modules", "rank", "alpha", "embeddings") if name in lora}
    adapted, summary = attach_lora(loaded.model, LoraConfig(**known))
    parts = memory_parts(adapted, summary.trainable, rows * longest, rows * supervised, dtype="bf16")
    assert sum(parts.values()) / 1e9 == pytest.approx(measured, rel=0.25)


def test_the_estimate_of_a_larger_model_in_fp32_is_that_of_the_lab_log(monkeypatch):
    """QLoRA of SmolLM2, one row of 640 tokens: 3.4 GB (docs/lab-log.md, 2026-11-29)."""
    torch = pytest.importorskip("torch")
    model = without_weights(SMOLLM2)
    monkeypatch.setattr(type(model), "device", torch.device("cpu"))
    monkeypatch.setattr("lab_lib.training.memory.packed_weights", lambda model: 106_168_320)
    monkeypatch.setattr("lab_lib.models.quantised.weight_bytes", lambda model: 207_000_000)
    parts = memory_parts(model, 9_768_960, 640, 200, dtype="fp32")
    assert parts["activations"] == pytest.approx(0.84e9, rel=0.15)  # kept for the backward pass, measured too
    assert sum(parts.values()) / 1e9 == pytest.approx(3.4, rel=0.25)


def test_only_settings_that_are_no_defaults_are_shown():
    shown = changed_settings(load_recipe("town-qlora-cpu", ["training.steps=5"]))
    assert "  steps: 5\n" in shown and "learning_rate: 0.003" in shown
    assert "weight_decay" not in shown and "quantisation" not in shown and len(shown.splitlines()) < 25
