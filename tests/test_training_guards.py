"""Guards against pitfalls of training (docs/pitfalls.md), on models of several families."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import training_job
from tiny_models import FAMILIES, forward, tiny_llama

from lab_lib.errors import LabError
from lab_lib.files import read_jsonl
from lab_lib.models.config import ModelConfig
from lab_lib.models.model import load_model, training_mode
from lab_lib.runs.config import load_recipe, recipe_names
from lab_lib.training.batches import IGNORED
from lab_lib.training.config import TrainConfig
from lab_lib.training.lora import LoraConfig, attach_lora


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    plain = {"t5": {"dropout_rate": 0.0}}  # T5's attention has a dropout that is no module
    return {name: make(folder / name, **plain.get(name, {})) for name, make in FAMILIES.items()}


def to_train(folder: Path, method: str = "lora"):
    """Return a model ready for training, without dropout, the same each time."""
    import torch

    loaded = load_model(ModelConfig(str(folder), quantisation="none", dtype="fp32"), True, full=method == "full")
    torch.manual_seed(0)
    model, _ = attach_lora(loaded.model, LoraConfig(method=method, rank=2, dropout=0.0))
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    training_mode(model, False)
    return model


def one_step(model, run: Path, examples=None, **settings) -> dict[str, float]:
    """Train one step of 8 examples and return its log row: loss and gradient norm."""
    from lab_lib.training.trainer import train

    config = TrainConfig(**{"steps": 1, "batch_size": 8, "clip": 1e9, "log_every": 1, "warmup": 0.0, **settings})
    train(model, examples or training_job.examples(8), config, run, pad=0, eos=2, precision="fp32")
    return read_jsonl(run / "log.jsonl")[0]


@pytest.mark.parametrize("family", ["neox", "gpt2"])
def test_accumulating_gives_the_large_batch_on_other_families(models, tmp_path, family):
    """Micro batches of rows of different lengths: a mean of their means would be another gradient.

    Llama is in test_training_trainer.py, T5 in test_training_seq2seq.py; that no row of any family reads another one
    is tested below.
    """
    rows = [
        one_step(to_train(models[family]), tmp_path / str(micro), micro_batch_size=micro, group_by_length=False)
        for micro in (8, 2)
    ]
    assert rows[0]["loss"] == pytest.approx(rows[1]["loss"], rel=1e-4)
    assert rows[0]["grad_norm"] == pytest.approx(rows[1]["grad_norm"], rel=1e-3) and rows[0]["grad_norm"] > 0.01


def cost_alone(model, row: dict[str, list[int]]) -> float:
    """Return the summed cross-entropy of one row's supervised tokens: no batch, no padding, no mask, every logit."""
    import torch

    ids, labels = torch.tensor([row["input_ids"]]), torch.tensor(row["labels"])
    if model.config.is_encoder_decoder:
        shifted = torch.tensor([[model.config.decoder_start_token_id, *row["labels"][:-1]]])
        logits = model(input_ids=ids, decoder_input_ids=shifted).logits[0]
    else:
        logits, labels = model(input_ids=ids).logits[0, :-1], labels[1:]
    return torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum").item()


@pytest.mark.parametrize("family", FAMILIES)
def test_no_example_sees_another_of_its_batch(models, family):
    """In float64: what a batch costs is what its rows cost one by one, so neither padding nor a neighbour is read."""
    from lab_lib.training.loss import batching_for
    from lab_lib.training.seq2seq import rows_for

    model = to_train(models[family]).double()
    rows, feed = rows_for(model, training_job.examples(9)[::2], eos=2), batching_for(model, pad=0)
    assert len({len(row["input_ids"]) for row in rows}) > 2
    learnt = sum(label != IGNORED for row in rows for label in row["labels"])
    together = feed(model, feed.collate(rows)).item()
    assert together * learnt == pytest.approx(sum(cost_alone(model, row) for row in rows), rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_trained_can_be_unscaled_under_fp16(models, family):
    """torch's gradient scaler refuses fp16 gradients; the base may be fp16 (a T4), what is trained may not."""
    import torch

    def unscale(parameters) -> None:
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        scaler = torch.amp.GradScaler("cpu")
        scaler.scale(torch.ones(1))
        scaler.unscale_(torch.optim.SGD(parameters))

    base = load_model(ModelConfig(str(models[family]), quantisation="none"), for_training=True).model.half()
    with pytest.raises(ValueError, match="Attempting to unscale FP16 gradients"):
        unscale(list(base.parameters()))
    model, _ = attach_lora(base, LoraConfig(rank=2))
    unscale([p for p in model.parameters() if p.requires_grad])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_trained_whole_comes_back_with_its_embeddings(models, tmp_path, family):
    """Every weight is changed, embeddings too; their number of rows is that of the base, tied ones stay tied."""
    import torch

    config = ModelConfig(str(models[family]), quantisation="none", dtype="fp32")
    loaded = load_model(config, for_training=True, full=True)
    rows = loaded.model.get_input_embeddings().weight.shape[0]
    model, _ = attach_lora(loaded.model, LoraConfig(method="full"))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    again = load_model(ModelConfig(str(tmp_path), quantisation="none", dtype="fp32"))
    with torch.no_grad():
        assert torch.equal(forward(again.model).logits, forward(model.eval()).logits)
        assert not torch.equal(forward(again.model).logits, forward(load_model(config).model).logits)
    assert again.model.get_input_embeddings().weight.shape[0] == rows
    assert len(again.tokenizer) == len(loaded.tokenizer) <= rows


def test_a_loss_of_exactly_zero_stops_the_run_with_a_hint(tmp_path):
    """Only EOS is learnt and the model is certain of it: the cross-entropy is 0.0 in fp32."""
    import torch

    model = to_train(tiny_llama(tmp_path / "model"), "full")
    model.lm_head.bias = torch.nn.Parameter(torch.zeros(320).index_fill(0, torch.tensor([2]), 1e4))
    ends = [SimpleNamespace(ids=(1, 9, 2, 2), loss_mask=(False, False, True, True), key="d")] * 8
    with pytest.raises(LabError, match=r"loss is 0\.0 at step 1: .*certainty"):
        one_step(model, tmp_path / "run", ends)


@pytest.mark.parametrize(
    ("fp16", "loss", "hint"),
    [
        (True, math.nan, "65,504"),
        (True, 0.0, "model.dtype=fp32"),
        (False, math.inf, "lower training.learning_rate"),
        (False, 0.0, "lab data show CORPUS --tokens"),
    ],
)
def test_a_loss_that_says_nothing_names_what_to_turn(fp16, loss, hint):
    from lab_lib.training.callbacks import StopAtNaN

    stop, state = StopAtNaN(), SimpleNamespace(global_step=7)
    with pytest.raises(LabError, match=f"loss is {loss} at step 7: .*{hint}"):
        stop.on_log(SimpleNamespace(fp16=fp16), state, None, {"loss": loss})
    stop.on_log(SimpleNamespace(fp16=fp16), state, None, {"loss": 1e-9})  # small is not zero
    stop.on_log(SimpleNamespace(fp16=fp16), state, None, {"eval_bleu": 0.0})


def test_out_of_memory_says_what_to_turn(tmp_path):
    """A request for 2^58 bytes, which no machine has, in the middle of the forward pass."""
    import torch

    model = to_train(tiny_llama(tmp_path / "model"))
    model.register_forward_pre_hook(lambda *_: torch.empty(1 << 56).sum() and None)
    with pytest.raises(LabError, match=r"out of memory while training: halve training\.micro_batch_size \(now 4"):
        one_step(model, tmp_path / "run", micro_batch_size=4)


def test_a_trainer_sees_one_gpu_where_there_are_several(tmp_path, monkeypatch):
    """Left alone it would copy the model to both and learn from 2 x 8 examples a step."""
    import torch
    from transformers import TrainingArguments

    from lab_lib.training.arguments import training_arguments

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    left_alone = TrainingArguments(str(tmp_path), per_device_train_batch_size=4, report_to="none")
    assert (left_alone.n_gpu, left_alone.train_batch_size) == (2, 8)
    ours = training_arguments(TrainConfig(batch_size=8, micro_batch_size=4), tmp_path, 1, "fp32", world=1)
    assert (ours.n_gpu, ours.train_batch_size, ours.gradient_accumulation_steps) == (1, 4, 2)


def test_accumulation_takes_the_number_of_processes_into_account(tmp_path):
    from lab_lib.training.arguments import training_arguments

    config = TrainConfig(batch_size=16, micro_batch_size=4)
    for world, accumulation in ((1, 4), (2, 2), (4, 1)):
        arguments = training_arguments(config, tmp_path, 1, "fp32", world=world)
        assert arguments.gradient_accumulation_steps == accumulation
    with pytest.raises(LabError, match=r"training.batch_size=16 cannot be split among 8 processes"):
        training_arguments(config, tmp_path, 1, "fp32", world=8)


def test_nothing_of_the_model_is_evaluated_on_logits(tmp_path):
    """Dev scores come from replies: between the steps no forward pass runs whose logits would pile up."""
    model, modes = to_train(tiny_llama(tmp_path / "model")), []
    model.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    from lab_lib.training.trainer import train

    config = TrainConfig(steps=2, batch_size=8, evaluate_every=1)
    scores = iter((1.0, 2.0))
    train(
        model, training_job.examples(8), config, tmp_path / "run", pad=0, eos=2, precision="fp32",
        dev=lambda model, step: {"score": next(scores)}, best_metric="score",
    )  # fmt: skip
    assert modes[modes.index(True) :] == [True, True] and next(scores, None) is None


@pytest.mark.parametrize("recipe", recipe_names())
def test_no_recipe_asks_for_half_precision(recipe):
    """bf16 written into a recipe stops on a T4, fp16 on a CPU; `auto` and `fastest` look at what the machine has."""
    assert load_recipe(recipe).model.dtype in ("auto", "fastest", "fp32")


@pytest.mark.parametrize("schedule", ["constant", "constant_with_warmup", "linear", "cosine"])
@pytest.mark.parametrize(("steps", "warmup"), [(1, 0.0), (1, 0.03), (2, 1.0)])
def test_a_run_that_trains_nothing_says_so_when_it_starts(models, tmp_path, schedule, steps, warmup):
    from lab_lib.training.trainer import train

    model, lines = to_train(models["llama"]), []
    before = {name: value.detach().clone() for name, value in model.named_parameters() if value.requires_grad}
    config = TrainConfig(steps=steps, warmup=warmup, schedule=schedule, batch_size=2, micro_batch_size=2)
    train(model, training_job.examples(2), config, tmp_path, pad=0, eos=2, precision="fp32", log=lines.append)
    trained = any(not value.equal(before[name]) for name, value in model.named_parameters() if name in before)
    assert trained is not any("stays untrained; set training.warmup=0" in line for line in lines)
