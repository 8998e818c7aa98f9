"""Generating on a CPU with each layer's weight and adapter folded into one matrix.

A reply is written token by token: 42 small layers a token for lab-tiny, each of which would unpack its 4-bit weight and
multiply three matrices (base, A, B). Folded, W + scale x B A with W unpacked, a layer is one product. It is the same
function in fp32, kept only while generating: nothing is merged into 4 bits, saved, or trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab_lib.training.hardware import Choice
from lab_lib.training.quantised import count_parameters

LARGEST = 250_000_000  # weights; in fp32 1 GB beside the model itself


def fold_choice(model: Any) -> Choice:
    """Return whether to fold, and why."""
    if model.device.type != "cpu":
        return Choice("no", "folding is for CPUs; on a GPU it was not tried")
    if count_parameters(model) > LARGEST:
        return Choice("no", f"more than {LARGEST:,} weights: unpacked they would take over 1 GB")
    return Choice("yes", "on a CPU one product a layer takes a quarter less time than unpacking and three products")


@contextmanager
def folded(model: Any) -> Iterator[None]:
    """Replace linear layers that are quantised or adapted by plain ones inside the `with`, if `fold_choice` says so.

    The model is the same object with the same attributes; leaving puts every layer back as it was.
    """
    swapped: list[tuple[Any, str, Any]] = []
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    try:
        if fold_choice(model).value == "yes":
            for parent in list(base.modules()):
                for name, layer in list(parent.named_children()):
                    if (plain := fold_layer(layer)) is not None:
                        setattr(parent, name, plain)
                        swapped.append((parent, name, layer))
        yield
    finally:
        for parent, name, layer in swapped:
            setattr(parent, name, layer)


def fold_layer(layer: Any) -> Any:
    """Return a plain fp32 Linear that computes what `layer` does; None for one that is neither 4-bit nor LoRA."""
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
