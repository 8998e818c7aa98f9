"""Merges each layer's weight and adapter into one matrix while a model generates on a CPU.

An answer is generated token by token: for each token lab-tiny computes 42 small layers, each of which would unpack its
4-bit weight and multiply three matrices (base, A, B). Once merged as W + scale x B A, with W unpacked, a layer needs
one product. The merged layer computes the same function in fp32 and exists only during generation: nothing is merged
into 4 bits, saved, or trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from lab_lib.errors import LabError
from lab_lib.models.hardware import Choice
from lab_lib.models.quantised import count_parameters

LARGEST = 250_000_000  # weights; in fp32 they take 1 GB beside the model itself


def merge_choice(model: Any) -> Choice:
    """Return whether to merge, and why."""
    if model.device.type != "cpu":
        return Choice("no", "merging is for CPUs; on a GPU it was not tried")
    if count_parameters(model) > LARGEST:
        return Choice("no", f"more than {LARGEST:,} weights: unpacked they would take over 1 GB")
    return Choice("yes", "on a CPU, merged weights generate in a quarter less time than 4-bit weights and an adapter")


@contextmanager
def merged_for_decoding(model: Any, exact: bool = False) -> Iterator[None]:
    """Replace linear layers that are quantised or adapted by plain ones inside the `with`, if `merge_choice` says so.

    With `exact` the model computes in float64 there (see `in_float64`). The model is the same object with the same
    attributes; on exit every layer and weight is restored.
    """
    swapped: list[tuple[Any, str, Any]] = []
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    try:
        if merge_choice(model).value == "yes":
            for parent in list(base.modules()):
                for name, layer in list(parent.named_children()):
                    if (plain := merged_layer(layer)) is not None:
                        setattr(parent, name, plain)
                        swapped.append((parent, name, layer))
        with in_float64(model) if exact else nullcontext():
            yield
    finally:
        for parent, name, layer in swapped:
            setattr(parent, name, layer)


@contextmanager
def in_float64(model: Any) -> Iterator[None]:
    """Compute in float64 inside the `with`. Raises LabError when weights are quantised and were not merged.

    A sum of rounded numbers depends on the order of its terms, and the order depends on the shape of a batch: in
    float32 by about 1 part in 10 million, which can reverse near ties. In float64 it is 1 part in 10^16; no answer is
    known to have changed.
    """
    held = [*model.parameters(), *model.buffers()]
    if any(type(tensor).__name__ in ("Params4bit", "Int8Params") for tensor in held):
        raise LabError(
            "decoding.exact: quantised weights have no float64; set model.quantisation=none "
            f"(4-bit ones are unpacked on a CPU, up to {LARGEST:,} weights)"
        )
    kept = [tensor.data for tensor in held]
    try:
        for tensor in held:
            if tensor.is_floating_point():
                tensor.data = tensor.data.double()
        yield
    finally:
        for tensor, data in zip(held, kept, strict=True):
            tensor.data = data


def merged_layer(layer: Any) -> Any:
    """Return a plain fp32 Linear that computes the same as `layer`; None if the layer is neither 4-bit nor LoRA."""
    import torch
    from peft.tuners.lora import LoraLayer
    from peft.utils.integrations import dequantize_module_weight

    adapted = isinstance(layer, LoraLayer)
    inner = layer.get_base_layer() if adapted else layer
    if not isinstance(inner, torch.nn.Linear) or not (adapted or type(inner).__name__ == "Linear4bit"):
        return None
    with torch.no_grad():
        weight = dequantize_module_weight(inner).float()
        for adapter in layer.active_adapters if adapted and not layer.disable_adapters else ():
            weight = weight + layer.get_delta_weight(adapter).float()
    plain = torch.nn.Linear(inner.in_features, inner.out_features, bias=inner.bias is not None, device="meta")
    plain.weight = torch.nn.Parameter(weight, requires_grad=False)
    if inner.bias is not None:
        plain.bias = torch.nn.Parameter(inner.bias.detach().float(), requires_grad=False)
    return plain
