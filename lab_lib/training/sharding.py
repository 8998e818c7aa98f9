"""Decide whether the processes of a run shard the model's weights, and check what sharding requires.

`accelerate launch` sets environment variables for sharding; only `choose_sharding` reads them. With sharding each of N
processes holds 1/N of every weight, and a layer is whole only while it is computed. Code that reads a model's weights
does not work on shards: `whole_weights` gathers the trained weights.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_lib.errors import LabError
from lab_lib.models.hardware import Choice, find_machine
from lab_lib.models.quantised import quantised_modules
from lab_lib.processes.settings import whole

if TYPE_CHECKING:
    from lab_lib.training.config import TrainConfig

WHOLE, FSDP2, ZERO3 = "whole", "fsdp2", "zero3"
# Files that identify the sharding of a checkpoint: accelerate writes the first one, DeepSpeed the second.
MARKS = {FSDP2: "pytorch_model_fsdp.bin", ZERO3: "latest"}


def sharding_choice(training: TrainConfig, quantisation: str) -> Choice:
    """Return WHOLE, FSDP2 or ZERO3 for this process, or raise LabError for a combination that does not work."""
    sharding = choose_sharding(os.environ, gpu=find_machine().capability is not None)
    require_shardable(sharding.value, training, quantisation)
    return sharding


def choose_sharding(environment: Mapping[str, str], gpu: bool) -> Choice:
    """Return WHOLE, FSDP2 or ZERO3 as set by `accelerate launch`; `gpu` says whether this process has a GPU.

    Raises LabError for unsupported settings. Without GPUs accelerate would shard nothing and print no warning.
    """
    processes = whole("WORLD_SIZE", 1, least=1, environment=environment)
    kind = FSDP2 if _on(environment, "ACCELERATE_USE_FSDP") else WHOLE
    kind = ZERO3 if _on(environment, "ACCELERATE_USE_DEEPSPEED") else kind
    if kind == WHOLE:
        return Choice(WHOLE, f"{'every' if processes > 1 else 'the'} process holds all of them")
    if kind == FSDP2 and environment.get("FSDP_VERSION") != "2":
        raise LabError("fsdp_version is not 2 in the configuration of accelerate; set LAB_ACCELERATE=fsdp2")
    if kind == ZERO3 and environment.get("ACCELERATE_DEEPSPEED_ZERO_STAGE") != "3":
        raise LabError("zero_stage is not 3 in the configuration of accelerate; set LAB_ACCELERATE=deepspeed-zero3")
    if not gpu:
        raise LabError(
            f"sharding the weights ({kind}) needs GPUs, and there is none: every process would hold all weights; "
            f"unset LAB_ACCELERATE"
        )
    return Choice(kind, f"as configured: each of {processes} processes holds one shard of every weight")


def _on(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").lower() in ("1", "true")


def require_shardable(sharding: str, training: TrainConfig, quantisation: str) -> None:
    """Raise LabError for settings that need the whole weights; does nothing if `sharding` is WHOLE."""
    if sharding == WHOLE:
        return
    if training.evaluate_every:
        raise LabError(
            f"training.evaluate_every={training.evaluate_every}: a model with sharded weights cannot decode; set "
            f"training.evaluate_every=0 and decode afterwards"
        )
    if sharding == ZERO3 and quantisation != "none":
        raise LabError(
            f"model.quantisation={quantisation}: not with DeepSpeed; set it to none, or LAB_ACCELERATE=fsdp2"
        )
    if quantisation == "8bit":
        raise LabError("model.quantisation=8bit: 8-bit weights cannot be sharded; set model.quantisation=4bit")
    if training.optimiser != "adamw_torch":
        raise LabError(
            f"training.optimiser={training.optimiser}: not for sharded weights; set training.optimiser=adamw_torch"
        )


def require_sharded(sharding: str, trainer: Any) -> None:
    """Raise LabError unless the trainer shards as configured: accelerate falls back to plain copies without a warning.

    Raises LabError for an encoder-decoder too: encoder, decoder and output layer share one embedding matrix, and FSDP2
    does not shard a matrix that several layers share.
    """
    got = FSDP2 if trainer.is_fsdp_enabled else ZERO3 if trainer.is_deepspeed_enabled else WHOLE
    if got != sharding:
        does = "DDP, where every process holds all weights" if got == WHOLE else got
        raise LabError(f"expected sharding {sharding}, but accelerate uses {does}")
    if sharding != WHOLE and trainer.model.config.is_encoder_decoder:
        raise LabError("the weights of an encoder-decoder cannot be sharded; unset LAB_ACCELERATE")


def require_same_kind(sharding: str, checkpoint: Path | None) -> None:
    """Raise LabError for a checkpoint that was written with a different sharding."""
    if checkpoint is None:
        return
    was = next((kind for kind, name in MARKS.items() if (checkpoint / name).exists()), WHOLE)
    if was != sharding:
        raise LabError(
            f"{checkpoint}: written with sharding {was}, but this run uses {sharding}; start the run as before, or "
            f"choose "
            "another --out"
        )


def is_sharded(model: Any) -> bool:
    """Return whether this process holds shards of the weights: FSDP2 makes them DTensors, DeepSpeed numbers them."""
    from torch.distributed.tensor import DTensor

    return any(isinstance(parameter, DTensor) or hasattr(parameter, "ds_id") for parameter in model.parameters())


def whole_weights(model: Any) -> dict[str, Any] | None:
    """Return the trained weights by name, gathered on the CPU; None if the model is not sharded.

    All processes must call it, because each sends its shards, one weight after the other.
    """
    if not is_sharded(model):
        return None
    names: dict[Any, list[str]] = {}  # a tied matrix has two names
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if parameter.requires_grad:
            names.setdefault(parameter, []).append(name)
    gathered = ((named, _gathered(parameter)) for parameter, named in names.items())
    return {name: whole for named, whole in gathered for name in named}


def _gathered(parameter: Any) -> Any:
    from torch.distributed.tensor import DTensor

    if isinstance(parameter, DTensor):
        return parameter.detach().full_tensor().cpu()
    import deepspeed

    with deepspeed.zero.GatheredParameters([parameter]):
        return parameter.detach().cpu().clone()


def byte_sums(model: Any) -> dict[str, int]:
    """Return a check sum of the stored bytes of each whole 4-bit layer, by the layer's name."""
    import torch
    from torch.distributed.tensor import DTensor

    stored = {name: layer.weight.detach() for name, layer in quantised_modules(model).items()}
    whole = {name: weight for name, weight in stored.items() if not isinstance(weight, DTensor)}
    return {name: int(weight.view(torch.int16).sum(dtype=torch.int64)) for name, weight in whole.items()}


def unsharded_sums(model: Any) -> dict[str, int]:
    """Return `byte_sums` of a sharded model, gathering part by part. All processes must call it."""
    from torch.distributed.fsdp import FSDPModule

    sums: dict[str, int] = {}
    for place, part in model.named_modules():
        if isinstance(part, FSDPModule):
            part.unshard()
            sums |= {f"{place}.{name}".lstrip("."): total for name, total in byte_sums(part).items()}
            part.reshard()
    return sums
