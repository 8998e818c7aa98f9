"""DPO: the frozen reference is the adapter at the start, only the trained one moves, and pairs are learned."""

from __future__ import annotations

import json
from dataclasses import replace
from math import log
from pathlib import Path

import pytest
import torch
from tiny_models import tiny_llama

from lab_lib.errors import LabError
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model, training_mode
from lab_lib.results.preference_curve import draw_preferences, has_preferences
from lab_lib.training.callbacks import PREFERENCES
from lab_lib.training.config import TrainConfig
from lab_lib.training.lora import LoraConfig, attach_lora
from lab_lib.training.preferences import Preference, check_pairs, make_trainer, train_preferences
from lab_lib.training.reference import REFERENCE, adapter_weights, require_reference

CONFIG = TrainConfig(objective="dpo", steps=8, batch_size=4, micro_batch_size=2, learning_rate=5e-3, log_every=2,
                     save_every=4, warmup=0.0)  # fmt: skip
PAIRS = [Preference(str(n), (0, 10 + n, 11), (20 + n, 5, 2), (30 + n, 6, 7, 2)) for n in range(8)]


def trained_before(folder: Path, tied: bool = False, embeddings: bool = False, quantisation: str = "none"):
    """Return a model with an adapter that a run has saved, loaded to be trained further, and its tokenizer."""
    base, lora = (
        tiny_llama(folder / "base", tie_word_embeddings=tied),
        LoraConfig(rank=4, dropout=0.0, embeddings=embeddings),
    )
    config = ModelConfig(str(base), quantisation=quantisation, dtype="fp32")
    model, _ = attach_lora(load_model(config, for_training=True).model, lora)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name or "modules_to_save" in name:
                weight.add_(torch.randn_like(weight) * (0.2 if "modules_to_save" in name else 0.02))
    model.save_pretrained(folder / "adapter")
    loaded = load_model(replace(config, adapter=str(folder / "adapter")), for_training=True)
    model, _ = attach_lora(loaded.model, lora)
    training_mode(model, False)
    return model, loaded.tokenizer


@pytest.fixture
def made(tmp_path: Path):
    return trained_before(tmp_path)


def weights(model, adapter: str) -> dict[str, torch.Tensor]:
    found = {name: weight.detach().clone() for name, weight in adapter_weights(model, adapter).items()}
    assert found
    return found


def log_prob(model, prompt, answer) -> float:
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(-1)
    return float(sum(logits[len(prompt) - 1 + n, token] for n, token in enumerate(answer)))


def test_the_reference_is_the_start_and_stays_and_pairs_are_learned(made, tmp_path: Path) -> None:
    model, tokenizer = made
    start = weights(model, "default")
    trainer = make_trainer(model, tokenizer, PAIRS, CONFIG, tmp_path, 8, "fp32")
    reference = weights(model, "ref")
    assert reference.keys() == start.keys() and all(torch.equal(reference[name], start[name]) for name in start)
    before = [log_prob(model, p.prompt, p.chosen) - log_prob(model, p.prompt, p.rejected) for p in PAIRS]
    batch = trainer.data_collator([trainer.train_dataset[0]])
    assert batch["input_ids"].shape[0] == 2  # a chosen and a rejected text, whose answers count
    assert batch["completion_mask"][0].tolist()[:6] == [0, 0, 0, 1, 1, 1]
    trainer.train()
    after = [log_prob(model, p.prompt, p.chosen) - log_prob(model, p.prompt, p.rejected) for p in PAIRS]
    assert all(torch.equal(weights(model, "ref")[name], start[name]) for name in start)
    assert any(not torch.equal(weights(model, "default")[name], start[name]) for name in start)
    assert sum(after) > sum(before)


@pytest.mark.parametrize("quantisation", ["none", "4bit"])
@pytest.mark.parametrize(("tied", "embeddings"), [(False, False), (False, True), (True, False), (True, True)])
def test_the_margin_is_0_at_the_first_step(tied: bool, embeddings: bool, quantisation: str, tmp_path: Path) -> None:
    """Policy and reference are the saved adapter, bit for bit: with one matrix for both ends, and on 4-bit weights."""
    model, tokenizer = trained_before(tmp_path, tied, embeddings, quantisation)
    start = weights(model, "default")
    trainer = make_trainer(model, tokenizer, PAIRS, replace(CONFIG, log_every=1), tmp_path, 8, "fp32")
    for adapter in ("default", REFERENCE):
        found = adapter_weights(model, adapter)
        assert found.keys() == start.keys() and {weight.dtype for weight in found.values()} == {torch.float32}
        assert all(torch.equal(found[name], start[name]) for name in start)
        assert all(weight.requires_grad == (adapter == "default") for weight in found.values())
        heads = {id(weight) for name, weight in found.items() if "modules_to_save" in name}
        assert len(heads) == embeddings * (1 if tied else 2)
    trainer.train()
    first = trainer.state.log_history[0]
    assert first["loss"] == pytest.approx(log(2), abs=1e-6)
    assert first["rewards/margins"] == pytest.approx(0, abs=1e-5)
    assert trainer.state.log_history[-2]["rewards/margins"] > 0.1
    assert all(torch.equal(weight, start[name]) for name, weight in adapter_weights(model, REFERENCE).items())


def test_a_reference_that_is_not_the_start_is_refused(made, tmp_path: Path) -> None:
    model, tokenizer = made
    make_trainer(model, tokenizer, PAIRS, CONFIG, tmp_path, 8, "fp32")
    next(iter(adapter_weights(model, REFERENCE).values())).data += 1e-6
    with pytest.raises(LabError, match="the reference is not the adapter that training starts from: 1 weights differ"):
        require_reference(model)


def test_a_run_leaves_the_trained_adapter_alone_and_logs_both_rewards(made, tmp_path: Path) -> None:
    model, tokenizer = made
    start, lines = weights(model, "default"), list[str]()
    figures = train_preferences(model, tokenizer, PAIRS, CONFIG, tmp_path, precision="fp32", log=lines.append)
    assert figures["steps"] == 8 and figures["supervised_tokens"] == 8 * 7
    assert list(model.peft_config) == ["default"]
    assert any(not torch.equal(weights(model, "default")[name], start[name]) for name in start)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6, 8] and all(name in row for row in rows for name in PREFERENCES)
    assert rows[-1]["rewards/chosen"] > rows[-1]["rewards/rejected"]
    svg = draw_preferences(rows, "my-recipe", tmp_path / "preferences.png", None)
    assert has_preferences(rows) and (tmp_path / "preferences.png").stat().st_size > 10_000
    assert all(text in svg for text in ("my-recipe", "chosen", "rejected", "log probability (nats an answer)"))
    assert not has_preferences([{"step": 1, "loss": 2.0}])


@pytest.mark.parametrize("pairs", [[], [Preference("a", (1,), (2,), (2,))], [Preference("a", (), (2,), (3,))]])
def test_pairs_that_prefer_nothing_are_refused(pairs) -> None:
    with pytest.raises(LabError, match=r"no preference pairs|two different answers"):
        check_pairs(pairs)
