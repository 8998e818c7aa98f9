"""The fine-tuning run: batches, accumulation, resuming to the bit, stopping at NaN."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import training_job
from tiny_models import tiny_llama

from lab_lib.errors import LabError
from lab_lib.files import read_jsonl
from lab_lib.training.batches import Collator, EpochOrder, to_rows
from lab_lib.training.config import TrainConfig

JOB = Path(training_job.__file__)


def example(ids: tuple[int, ...], learnt: tuple[bool, ...]) -> SimpleNamespace:
    return SimpleNamespace(ids=ids, loss_mask=learnt, key="x")


def test_rows_must_learn_a_reply_and_end_with_eos():
    assert to_rows([example((1, 5, 6, 2), (False, False, True, True))], eos=2) == [
        {"input_ids": [1, 5, 6, 2], "labels": [-100, -100, 6, 2]}
    ]
    for ids, supervised in (
        ((1, 5, 2), (False, False, True)),  # nothing but EOS
        ((1, 5, 6), (False, True, True)),  # no EOS at the end
        ((1, 5, 2), (False, True, False)),  # EOS not supervised
    ):
        with pytest.raises(LabError, match="expected an answer and its EOS"):
            to_rows([example(ids, supervised)], eos=2)
    with pytest.raises(LabError, match="no training examples"):
        to_rows([], eos=2)


def test_padding_is_masked_by_position_even_where_a_real_token_equals_pad():
    rows = [{"input_ids": [0, 5, 0, 2], "labels": [-100, 5, 0, 2]}, {"input_ids": [7, 2], "labels": [7, 2]}]
    batch = {name: tensor.tolist() for name, tensor in Collator(pad=0)(rows).items()}
    assert {len(row) for part in batch.values() for row in part} == {16}
    assert [row[:4] for row in batch["attention_mask"]] == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert [row[:4] for row in batch["input_ids"]] == [[0, 5, 0, 2], [7, 2, 0, 0]]
    assert [row[:4] for row in batch["labels"]] == [[-100, 5, 0, 2], [7, 2, -100, -100]]
    assert not any(sum(row[4:]) for row in batch["attention_mask"])
    assert all(set(row[4:]) == {-100} for row in batch["labels"])


def test_order_is_a_permutation_that_depends_on_seed_and_epoch_alone():
    lengths = [n % 17 + 1 for n in range(403)]
    order = EpochOrder(lengths, seed=1, step=16)
    first = list(order)
    assert sorted(first) == list(range(403)) and list(order) == first
    order.set_epoch(1)
    assert list(order) != first
    assert list(EpochOrder(lengths, seed=2, step=16)) != first
    assert lengths[first[0]] == max(lengths)  # the step with the longest example comes first


def test_lengths_are_sorted_inside_a_step_and_steps_are_what_they_are_without():
    """Where length tells what an example is (the place of a reply in its dialogue), a step must hold every kind."""
    lengths = [n % 17 + 1 for n in range(403)]
    grouped, plain = list(EpochOrder(lengths, seed=1, step=16)), list(EpochOrder(lengths, seed=1))
    steps, drawn = ([set(order[k : k + 16]) for k in range(0, 403, 16)] for order in (grouped, plain))
    assert sorted(map(sorted, steps)) == sorted(map(sorted, drawn)) and steps[-1] == drawn[-1]
    assert padded(lengths, grouped) < 0.6 * padded(lengths, plain)


def padded(lengths: list[int], order: list[int], micro: int = 4) -> int:
    """Return how many positions of padding micro batches have."""
    parts = [[lengths[i] for i in order[k : k + micro]] for k in range(0, len(order), micro)]
    return sum(max(part) * len(part) - sum(part) for part in parts)


def gradients(folder: Path, micro: int) -> dict[str, object]:
    """One optimiser step of plain SGD with rate 1 on the same 8 examples; return how the weights moved."""
    from transformers import AutoModelForCausalLM

    from lab_lib.training.trainer import train

    model = AutoModelForCausalLM.from_pretrained(folder)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    config = TrainConfig(steps=1, batch_size=8, micro_batch_size=micro, learning_rate=1e-3, schedule="constant",
                         warmup=0.0, clip=1e9, optimiser="adafactor", log_every=1)  # fmt: skip
    train(model, training_job.examples(8), config, folder / f"run{micro}", pad=0, eos=2, precision="fp32")
    logged = read_jsonl(folder / f"run{micro}" / "log.jsonl")
    return {"loss": logged[0]["loss"], "norm": logged[0]["grad_norm"]} | {
        name: p.detach() - before[name] for name, p in model.named_parameters()
    }


def test_accumulated_micro_batches_equal_the_large_batch(tmp_path):
    """Rows of different lengths: normalised by tokens over the whole batch, not row by row or micro by micro."""
    tiny_llama(tmp_path)
    large, small = gradients(tmp_path, 8), gradients(tmp_path, 2)
    assert large["loss"] == pytest.approx(small["loss"], rel=1e-5)
    assert large["norm"] == pytest.approx(small["norm"], rel=1e-4)
    # The loss is the mean over supervised tokens, computed here by hand.
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    total, count = 0.0, 0
    for e in training_job.examples(8):
        logits = model(torch.tensor([e.ids])).logits[0, :-1].log_softmax(-1)
        kept = [(t, i) for t, (i, learn) in enumerate(zip(e.ids[1:], e.loss_mask[1:], strict=True)) if learn]
        total -= sum(logits[t, i].item() for t, i in kept)
        count += len(kept)
    assert large["loss"] == pytest.approx(total / count, rel=1e-4)


def job(model: Path, run: Path) -> subprocess.Popen:
    """Start the job of eight steps in a process of its own, slowly enough to be killed between two of them."""
    return subprocess.Popen(
        [sys.executable, str(JOB), str(model), str(run), "8", "1.5"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_a_killed_qlora_run_resumes_to_the_same_adapter_to_the_bit(tmp_path):
    """Real 4-bit QLoRA with dropout, killed with -9 between two checkpoints, against an unbroken run.

    What is killed is a process of its own; the others are not, since each would import torch and its like again.
    """
    from safetensors.torch import load_file

    model = tiny_llama(tmp_path / "model")
    broken = job(model, tmp_path / "broken")
    training_job.main(str(model), str(tmp_path / "whole"), "8")
    mark = tmp_path / "broken" / "checkpoints" / "checkpoint-4" / "complete"
    deadline = time.monotonic() + 900  # a job that hangs; a busy machine may take minutes
    while not mark.exists() and broken.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    broken.send_signal(signal.SIGKILL)
    assert broken.wait() == -signal.SIGKILL and mark.exists()
    assert not (tmp_path / "broken" / "adapter").exists()
    # A checkpoint folder that was being written when the process died must not be resumed from.
    (tmp_path / "broken" / "checkpoints" / "checkpoint-99").mkdir()
    training_job.main(str(model), str(tmp_path / "broken"), "8")

    whole, resumed = (
        load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("whole", "broken")
    )
    assert whole.keys() == resumed.keys() and len(whole) > 10
    assert all((whole[name] == resumed[name]).all() for name in whole)
    losses = [
        [row["loss"] for row in read_jsonl(tmp_path / n / "log.jsonl") if "loss" in row] for n in ("whole", "broken")
    ]
    assert losses[0] == losses[1] and len(losses[0]) == 8  # repeated steps are not logged twice


def test_nan_loss_stops_the_run_with_a_hint(tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    from lab_lib.training.trainer import train

    model = AutoModelForCausalLM.from_pretrained(tiny_llama(tmp_path))
    with torch.no_grad():
        model.lm_head.weight[0, 0] = math.nan
    config = TrainConfig(steps=3, batch_size=4, micro_batch_size=4, log_every=1)
    with pytest.raises(LabError, match=r"loss is nan at step 1: lower training.learning_rate"):
        train(model, training_job.examples(), config, tmp_path / "run", pad=0, eos=2, precision="fp32")


def test_a_model_with_nothing_to_train_is_refused(tmp_path):
    from transformers import AutoModelForCausalLM

    from lab_lib.training.trainer import train

    model = AutoModelForCausalLM.from_pretrained(tiny_llama(tmp_path)).requires_grad_(False)
    with pytest.raises(LabError, match="no parameter of the model is trainable"):
        train(model, training_job.examples(), TrainConfig(), tmp_path / "run", pad=0, eos=2, precision="fp32")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 10, "micro_batch_size": 4}, "not a multiple"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"warmup": 3.0}, "between 0 and 1"),
        ({"loggers": ("wandbb",)}, "wandbb"),
        ({"keep_checkpoints": 0}, "at least 1"),
        ({"micro_batch_size": 0}, "training.micro_batch_size must be at least 1"),
        ({"evaluate_every": 5, "evaluate_dialogues": 0}, "training.evaluate_dialogues must be at least 1"),
        ({"evaluate_every": -1}, "training.evaluate_every must be 0"),
        ({"learning_rate": math.nan}, "learning_rate, epochs and beta must be above 0, and finite"),
        ({"epochs": math.inf}, "learning_rate, epochs and beta must be above 0, and finite"),
        ({"steps": -3}, "training.steps must be 0"),
        ({"weight_decay": -0.1}, "weight_decay and clip must be 0 or more"),
        ({"clip": math.nan}, "weight_decay and clip must be 0 or more"),
        ({"seed": -1}, "training.seed must be at least 0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, message):
    with pytest.raises(LabError, match=message):
        TrainConfig(**settings)


@pytest.mark.parametrize(("metric", "greater_is_better"), [("score", True), ("distance", False)])
def test_the_best_checkpoint_on_dev_is_what_remains(tmp_path, metric, greater_is_better):
    """Scores fall, and distances grow, from the first evaluation on: the adapter of step 2 is kept, not the last."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import load_file

    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model, training_mode
    from lab_lib.training.lora import LoraConfig, attach_lora
    from lab_lib.training.trainer import train

    loaded = load_model(ModelConfig(name=str(tiny_llama(tmp_path / "model"))), for_training=True)
    model, _ = attach_lora(loaded.model, LoraConfig(rank=4))
    training_mode(model, False)
    config = TrainConfig(steps=6, batch_size=4, micro_batch_size=4, learning_rate=1e-2, evaluate_every=2, log_every=1)
    figures = train(
        model,
        training_job.examples(),
        config,
        tmp_path / "run",
        pad=0,
        eos=2,
        precision=loaded.dtype,
        dev=lambda model, step: {"score": -float(step), "distance": float(step)},
        best_metric=metric,
        greater_is_better=greater_is_better,
    )
    best = load_file(tmp_path / "run" / "checkpoints" / "checkpoint-2" / "adapter_model.safetensors")
    last = load_file(tmp_path / "run" / "checkpoints" / "checkpoint-6" / "adapter_model.safetensors")
    kept = get_peft_model_state_dict(model)
    assert figures["best_step"] == 2
    assert all((kept[name] == best[name]).all() for name in best)
    assert any((best[name] != last[name]).any() for name in best)


def test_gradient_checkpointing_changes_memory_not_the_gradients(tmp_path):
    import torch

    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model, training_mode
    from lab_lib.training.lora import LoraConfig, attach_lora

    folder, norms = str(tiny_llama(tmp_path / "model")), []
    for checkpointing in (False, True):
        loaded = load_model(ModelConfig(name=folder, dtype="fp32"), for_training=True)
        torch.manual_seed(0)
        model, _ = attach_lora(loaded.model, LoraConfig(rank=4, dropout=0.0))
        training_mode(model, checkpointing)
        batch = Collator(0)(to_rows(training_job.examples(4), eos=2))
        model(**batch).loss.backward()
        norms.append([p.grad.norm().item() for p in model.parameters() if p.requires_grad])
    assert norms[0] == pytest.approx(norms[1], rel=1e-5) and max(norms[0]) > 0
