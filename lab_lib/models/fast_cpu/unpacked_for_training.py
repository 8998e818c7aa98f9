"""Unpacks 4-bit weights once for a whole training on a CPU instead of twice per step.

A 4-bit layer unpacks its weight for every product: one forward and one backward per micro batch. The base model does
not change while an adapter is trained, so the unpacked weights are kept, 4 bytes each in fp32 and 2 in bf16. In bf16 a
layer and its adapter are then one operation (`fused_adapters.py`). The products, the loss and the gradients are the
same to the last bit; the 4-bit weights stay in the model and are what is saved or merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lab_lib.models.fast_cpu.merged_for_decoding import LARGEST
from lab_lib.models.hardware import Choice
from lab_lib.models.quantised import count_parameters, quantised_modules

# In fp32 a micro batch with more tokens takes so long that unpacking is less than 7 % of it: unpacking takes SmolLM2
# 0.12 s per step; a step over 130 tokens takes 0.96 s on one core, over 520 tokens 3.4 s, so over 256 about 1.75 s.
LONGEST = 256


def unpack_choice(model: Any, tokens: float) -> Choice:
    """Return whether to keep unpacked weights while training, and why; `tokens` is the mean of a micro batch."""
    if not _four_bit(model):
        return Choice("no", "no weight is packed")
    if model.device.type != "cpu":
        return Choice("no", "unpacking once is for CPUs; on a GPU it was not tried")
    if count_parameters(model) > LARGEST:
        return Choice("no", f"more than {LARGEST:,} weights: unpacked they would take over 1 GB")
    from lab_lib.models.fast_cpu.fused_adapters import plain_adapters

    if any(True for _ in plain_adapters(model)):
        return Choice("yes", "in bf16 on a CPU, a layer and its adapter are one operation; the result is the same")
    if tokens > LONGEST:
        return Choice("no", f"micro batches have {tokens:.0f} tokens: unpacking is a small part of a step")
    return Choice("yes", "on a CPU, 4-bit weights are unpacked once and not twice per step; the result is the same")


@contextmanager
def unpacked_for_training(model: Any, choice: Choice) -> Iterator[None]:
    """Let 4-bit layers multiply by unpacked weights inside the `with`, if `choice` (see `unpack_choice`) is yes.

    The model is the same object with the same weights; on exit every layer unpacks for itself again.
    """
    changed: list[Any] = []
    try:
        if choice.value == "yes":
            from lab_lib.models.fast_cpu.fused_adapters import fused, plain_adapters

            weights = {layer: _unpacked(layer) for layer in _four_bit(model)}
            for layer, weight in weights.items():
                layer.forward = _product(layer, weight)
                changed.append(layer)
            for adapted in list(plain_adapters(model)):
                adapted.forward = fused(adapted, weights[adapted.get_base_layer()])
                changed.append(adapted)
        yield
    finally:
        for layer in changed:
            vars(layer).pop("forward", None)


def _four_bit(model: Any) -> list[Any]:
    return [layer for layer in quantised_modules(model).values() if type(layer).__name__ == "Linear4bit"]


def _unpacked(layer: Any) -> Any:
    """Return the weight of a 4-bit layer, in the number format of its product."""
    import torch
    from bitsandbytes.functional import dequantize_4bit

    with torch.no_grad():
        weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
        return weight if layer.compute_dtype is None else weight.to(layer.compute_dtype)


def _product(layer: Any, weight: Any) -> Callable[[Any], Any]:
    """Return what a 4-bit layer computes, with its unpacked weight; the number formats are those of its own
    `forward`."""
    import torch

    def forward(x: Any) -> Any:
        inputs = x if layer.compute_dtype is None else x.to(layer.compute_dtype)
        bias = None if layer.bias is None else layer.bias.to(inputs.dtype)
        return torch.nn.functional.linear(inputs, weight.to(inputs.dtype), bias).to(x.dtype)

    return forward
