"""The frozen reference of preference training: exactly the adapter that training starts from.

TRL copies the weights of the trained adapter (`default`) to the reference (`ref`), with two gaps:

- Weights with two names are copied under one of them. Where token embeddings and output layer share one matrix, the
  reference would keep the output layer of the base model.
- On a quantised base the trained adapter is rounded to bf16 afterwards, so it would start beside its reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_lib.errors import LabError
from lab_lib.training.embeddings import copied_layers

TRAINED, REFERENCE = "default", "ref"  # PEFT's name of the trained adapter, TRL's name of the frozen one


def adapter_weights(model: Any, adapter: str = TRAINED) -> dict[str, Any]:
    """Return {name without the adapter's: weight} of an adapter; a shared matrix is there under each of its names."""
    named = model.named_parameters(remove_duplicate=False)
    return {name.replace(f".{adapter}.", "."): weight for name, weight in named if f".{adapter}." in name}


def make_reference(model: Any, start: Mapping[str, Any]) -> None:
    """Give both adapters the tensors of `start`, in fp32; matrices that the trained one shares are shared in both.

    `start` is what `adapter_weights` returned before TRL changed the model. The reference gets tensors of its own and
    stays frozen: fp32 because small updates are lost in bf16, and because both adapters must round in the same way.
    """
    first: dict[int, Any] = {}
    for layer in copied_layers(model).values():
        copies = layer.modules_to_save
        copies[REFERENCE].weight = first.setdefault(id(copies[TRAINED].weight), copies[REFERENCE].weight)
    for adapter in (TRAINED, REFERENCE):
        for name, weight in adapter_weights(model, adapter).items():
            weight.data = start[name].to(weight.device).float()
            if adapter == REFERENCE:
                weight.data = weight.data.clone()
                weight.requires_grad_(False)


def require_reference(model: Any) -> None:
    """Raise LabError unless the reference has the weights of the trained adapter, name for name and bit for bit."""
    import torch

    trained, frozen = adapter_weights(model), adapter_weights(model, REFERENCE)
    odd = sorted(trained.keys() ^ frozen.keys())
    odd += [name for name in trained.keys() & frozen.keys() if not torch.equal(trained[name], frozen[name])]
    odd += [name for name, weight in frozen.items() if weight.requires_grad]
    if odd:
        raise LabError(
            f"training.objective=dpo: the reference is not the adapter that training starts from: {len(odd)} weights "
            f"differ: {odd[0]}"
        )
