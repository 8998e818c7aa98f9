"""Sharding: who decides it, and what is refused before a model is loaded; processes: test_training_processes.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from sharded_job import FSDP2, ZERO3

from lab_lib.errors import LabError
from lab_lib.training.config import TrainConfig
from lab_lib.training.sharding import (
    MARKS,
    choose_sharding,
    require_same_kind,
    require_shardable,
    require_sharded,
    sharding_choice,
    whole_weights,
)


@pytest.mark.parametrize(
    ("environment", "value", "reason"),
    [
        ({}, "whole", "the process holds all of them"),
        ({"WORLD_SIZE": "2"}, "whole", "every process holds all of them"),
        ({"WORLD_SIZE": "2", "ACCELERATE_USE_FSDP": "false"}, "whole", "every process holds all of them"),
        ({"WORLD_SIZE": "8", **FSDP2}, "fsdp2", "each of 8 processes holds one shard"),
        ({"WORLD_SIZE": "8", **ZERO3}, "zero3", "each of 8 processes holds one shard"),
    ],
)
def test_accelerate_says_what_was_asked_for(environment, value, reason):
    choice = choose_sharding(environment, gpu=True)
    assert choice.value == value and reason in choice.reason


@pytest.mark.parametrize(
    ("environment", "gpu", "message"),
    [
        (FSDP2, False, "needs GPUs, .* unset LAB_ACCELERATE"),
        ({**FSDP2, "FSDP_VERSION": "1"}, True, "fsdp_version is not 2 .* set LAB_ACCELERATE=fsdp2"),
        (ZERO3, False, r"\(zero3\) needs GPUs"),
        (
            {**ZERO3, "ACCELERATE_DEEPSPEED_ZERO_STAGE": "2"},
            True,
            "zero_stage is not 3 .* LAB_ACCELERATE=deepspeed-zero3",
        ),
    ],
)
def test_what_would_be_done_otherwise_than_asked_is_refused(environment, gpu, message):
    with pytest.raises(LabError, match=message):
        choose_sharding(environment, gpu)


def test_a_run_on_this_machine_refuses_before_it_loads_a_model(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name, value in FSDP2.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(LabError, match="needs GPUs"):
        sharding_choice(TrainConfig(), "none")


@pytest.mark.parametrize(
    ("settings", "quantisation", "key"),
    [
        ({"evaluate_every": 50}, "4bit", "set training.evaluate_every=0 and decode afterwards"),
        ({}, "8bit", "set model.quantisation=4bit"),
        ({"optimiser": "paged_adamw_8bit"}, "4bit", "set training.optimiser=adamw_torch"),
    ],
)
def test_what_needs_whole_weights_is_refused_with_the_key_to_set(settings, quantisation, key):
    training = TrainConfig(**settings)
    require_shardable("whole", training, quantisation)
    with pytest.raises(LabError, match=key):
        require_shardable("fsdp2", training, quantisation)


def test_deepspeed_takes_no_quantised_weights():
    require_shardable("zero3", TrainConfig(), "none")
    with pytest.raises(LabError, match="not with DeepSpeed; set it to none, or LAB_ACCELERATE=fsdp2"):
        require_shardable("zero3", TrainConfig(), "4bit")


def trainer(kind, encoder=False):
    model = SimpleNamespace(config=SimpleNamespace(is_encoder_decoder=encoder))
    return SimpleNamespace(is_fsdp_enabled=kind == "fsdp2", is_deepspeed_enabled=kind == "zero3", model=model)


def test_the_weights_of_an_encoder_decoder_are_not_shared_out():
    require_sharded("whole", trainer("whole", encoder=True))
    with pytest.raises(LabError, match="an encoder-decoder cannot be sharded; unset LAB_ACCELERATE"):
        require_sharded("fsdp2", trainer("fsdp2", encoder=True))


def test_a_trainer_that_does_otherwise_than_asked_is_not_started():
    for kind in ("fsdp2", "zero3", "whole"):
        require_sharded(kind, trainer(kind))
    with pytest.raises(LabError, match=r"fsdp2.*DDP"):
        require_sharded("fsdp2", trainer("whole"))
    with pytest.raises(LabError, match=r"whole.*zero3"):
        require_sharded("whole", trainer("zero3"))


@pytest.mark.parametrize("kind", ["fsdp2", "zero3"])
def test_a_run_goes_on_as_it_was_started(tmp_path, kind):
    require_same_kind(kind, None)
    require_same_kind("whole", tmp_path)
    with pytest.raises(LabError, match=rf"sharding whole.*{kind}"):
        require_same_kind(kind, tmp_path)
    (tmp_path / MARKS[kind]).touch()
    require_same_kind(kind, tmp_path)
    with pytest.raises(LabError, match=rf"sharding {kind}.*whole; start the run as before"):
        require_same_kind("whole", tmp_path)


def test_a_whole_model_is_saved_as_it_is():
    import torch

    assert whole_weights(torch.nn.Linear(2, 2)) is None


def test_four_bit_weights_are_kept_as_numbers_of_the_computations_only_for_sharding(tmp_path):
    import torch
    from tiny_models import tiny_llama

    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model
    from lab_lib.models.quantised import count_parameters, quantised_modules
    from lab_lib.training.sharding import byte_sums

    config = ModelConfig(name=str(tiny_llama(tmp_path)), dtype="fp32")
    plain, shared = (load_model(config, for_training=True, sharded=sharded).model for sharded in (False, True))
    weights = [next(iter(quantised_modules(model).values())).weight for model in (plain, shared)]
    assert [weight.dtype for weight in weights] == [torch.uint8, torch.float32]
    assert torch.equal(weights[0].data, weights[1].data.view(torch.uint8).reshape(-1, 1))
    assert count_parameters(plain) == count_parameters(shared)
    ids = torch.arange(12).reshape(2, 6)
    assert torch.equal(plain(ids).logits, shared(ids).logits)
    sums = byte_sums(shared)
    assert len(sums) == 14 and len(set(sums.values())) == 14


@pytest.fixture
def alone():
    """A process group of this process, which shares weights out to itself."""
    import torch.distributed as distributed

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_a_four_bit_weight_that_sharing_out_changed_stops_the_run(tmp_path, alone):
    """As in bitsandbytes' issue 1945: of the bf16 numbers that hold the weights every NaN becomes the same NaN."""
    import torch
    from tiny_models import tiny_llama
    from torch.distributed.fsdp import fully_shard

    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model
    from lab_lib.models.quantised import quantised_modules
    from lab_lib.training.callbacks import KeepBytes
    from lab_lib.training.sharding import is_sharded, unsharded_sums

    def sharded(change):
        model = load_model(ModelConfig(name=str(tiny_llama(tmp_path)), dtype="bf16"), sharded=True).model
        keep = KeepBytes(model)
        for module in quantised_modules(model).values():
            change(module.weight.data)
        for layer in model.model.layers:
            fully_shard(layer)
        fully_shard(model)
        assert is_sharded(model) and len(unsharded_sums(model)) == 14
        keep.on_train_begin(None, None, None, model=model)

    sharded(lambda stored: None)
    with pytest.raises(
        LabError, match=r"changed \d+ of 14 4-bit weights, first model.layers.0.* set model.quantisation="
    ):
        sharded(lambda stored: stored.copy_(torch.where(stored.isnan(), torch.nan, stored)))
