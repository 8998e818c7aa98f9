"""Packed batches: the loss and gradients of unpacked ones, steps and resumption as ever, models that mix refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import training_job
from tiny_models import tiny_falcon, tiny_llama, tiny_neox, tiny_t5

from lab_lib.errors import LabError
from lab_lib.files import read_jsonl
from lab_lib.training.batches import Collator, to_rows
from lab_lib.training.config import TrainConfig
from lab_lib.training.loss import batching_for, supervised_loss
from lab_lib.training.packing import PackedCollator, pack, require_apart


def rows(count: int = 9) -> list[dict[str, list[int]]]:
    return to_rows(training_job.examples(count), eos=2)


def load(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder)


def test_every_example_is_packed_once_and_fits():
    lengths = [n % 13 + 1 for n in range(50)]
    groups = pack(lengths, 20)
    assert sorted(i for group in groups for i in group) == list(range(50))
    assert all(sum(lengths[i] for i in group) <= 20 for group in groups)
    assert len(groups) <= -(-sum(lengths) // 20) + 1
    assert pack([30, 5], 20) == [[0], [1]]  # what is too long is alone, not dropped


def test_a_packed_row_starts_again_at_position_0_and_never_predicts_the_next_example():
    made = [{"input_ids": [1, 5, 6, 2], "labels": [1, -100, 6, 2]}, {"input_ids": [1, 7, 2], "labels": [1, 7, 2]}]
    batch = {name: tensor[0].tolist() for name, tensor in PackedCollator(0, 8)(made).items()}
    assert batch["input_ids"][:8] == [1, 5, 6, 2, 1, 7, 2, 0]
    assert batch["position_ids"][:9] == [0, 1, 2, 3, 0, 1, 2, 0, 1]
    assert batch["labels"][:8] == [-100, -100, 6, 2, -100, 7, 2, -100]
    assert batch["logits_to_keep"][:8] == [False, True, True, False, True, True, False, False]


def test_packed_examples_have_the_loss_and_gradients_of_unpacked_ones(tmp_path: Path):
    """In float64, to 1e-12; more than one packed row, several examples in each, padding at the end."""
    model = load(tiny_neox(tmp_path)).double()
    model.config.use_cache = False
    found = []
    for collate in (Collator(0, short=True), PackedCollator(0, 40)):
        model.zero_grad()
        batch = collate(rows())
        labels = batch.pop("labels")
        loss = supervised_loss(model(**batch), labels)
        loss.backward()
        found.append((len(labels), loss.item(), [p.grad.clone() for p in model.parameters()]))
    (unpacked, loss, alone), (packed, packed_loss, together) = found
    assert unpacked == 9 and 1 < packed < 5
    assert packed_loss == pytest.approx(loss, abs=1e-12)
    assert max((a - b).abs().max().item() for a, b in zip(alone, together, strict=True)) < 1e-12
    assert max(a.abs().max().item() for a in alone) > 1e-3


def test_strips_obey_the_mask_of_packed_rows(tmp_path: Path):
    """bf16 on a CPU: the loss of a long packed row is that of its examples, within the rounding of bf16."""
    import torch

    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model, training_mode

    folder = tiny_llama(tmp_path)
    made = [{n: ids * 9 for n, ids in row.items()} for row in rows(4)]
    found = {}
    for attention in ("auto", "sdpa"):
        model = load_model(ModelConfig(str(folder), quantisation="none", dtype="bf16", attention=attention), True).model
        training_mode(model.requires_grad_(True), False)
        for name, collate in (("packed", PackedCollator(0, 512)), ("alone", Collator(0, short=True))):
            batch = collate(made)
            labels = batch.pop("labels")
            model.zero_grad()
            supervised_loss(model(**batch), labels).backward()
            found[attention, name] = torch.cat([p.grad.flatten() for p in model.parameters()])
    exact = found["sdpa", "alone"]
    for gradient in found.values():
        assert (gradient - exact).norm() < 1e-5 * exact.norm()


def run(model_folder: Path, folder: Path, **changes: Any) -> list[float]:
    """Losses of six steps of two accumulated micro batches; stops and goes on when `steps` is below 6."""
    from lab_lib.training.trainer import train

    for steps in changes.pop("stops", (6,)):
        settings = {"batch_size": 8, "micro_batch_size": 4, "learning_rate": 1e-3, "schedule": "constant",
                    "warmup": 0.0, "log_every": 1, "save_every": 3, "group_by_length": False, **changes}  # fmt: skip
        model = load(model_folder)
        model.config.use_cache = False
        config = TrainConfig(steps=steps, **settings)
        train(model, training_job.examples(), config, folder, pad=0, eos=2, precision="fp32")
    return [row["loss"] for row in read_jsonl(folder / "log.jsonl")]


def test_packed_training_takes_the_same_steps_and_goes_on_after_a_stop(tmp_path: Path):
    """Through the Trainer with accumulation: losses as unpacked (fp32), and a stopped run goes on exactly."""
    folder = tiny_llama(tmp_path / "model")
    packed = run(folder, tmp_path / "packed", packing=True)
    assert packed == pytest.approx(run(folder, tmp_path / "unpacked"), rel=1e-5) and packed[5] < packed[0]
    assert run(folder, tmp_path / "broken", packing=True, stops=(3, 6)) == packed


def test_packing_pads_less(tmp_path: Path):
    model = load(tiny_llama(tmp_path))
    model.config.use_cache = False
    made = [{n: ids * times for n, ids in row.items()} for times, row in zip((1, 9, 2, 8, 3, 7), rows(6), strict=True)]
    longest = max(len(row["input_ids"]) for row in made)
    shapes = [batching_for(model, 0, width).collate(made)["input_ids"].numel() for width in (None, longest)]
    assert shapes[1] < 0.7 * shapes[0]


def test_models_that_mix_packed_examples_are_refused(tmp_path: Path):
    """transformers' Falcon makes its mask without looking at positions."""
    from transformers import AutoModelForSeq2SeqLM

    for tiny in (tiny_llama, tiny_neox):
        require_apart(load(tiny(tmp_path / tiny.__name__)))
    with pytest.raises(LabError, match=r"mixes what is packed into a row; set training\.packing=false"):
        require_apart(load(tiny_falcon(tmp_path / "falcon")))
    with pytest.raises(LabError, match=r"training\.packing: .* set training\.packing=false"):
        batching_for(AutoModelForSeq2SeqLM.from_pretrained(tiny_t5(tmp_path / "t5")), 0, width=64)
