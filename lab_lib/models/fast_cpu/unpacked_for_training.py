"""Unpacks 4-bit weights once for a whole training on a CPU instead of twice per step.

A 4-bit layer unpacks its weight for every product: one forward and one backward per micro batch. The base model does
not change while an adapter is trained, so the unpacked weights are kept, in fp32 4 bytes each. The products, the loss
and the gradients are the same to the last bit; the 4-bit weights stay in the model and are what is saved or merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lab_lib.models.fast_cpu.merged_for_decoding import LARGEST
from lab_lib.models.hardware import Choice
from lab_lib.models.quantised import count_parameters, quantised_modules

# A micro batch with more tokens takes so long that unpacking is less than 7 % of it: unpacking takes SmolLM2 0.12 s per
# step; a step over 130 tokens takes 0.96 s on one core, over 520 tokens 3.4 s, so over 256 about 1.75 s.
LONGEST = 256


def unpack_choice(model: Any, tokens: float) -> Choice:
    """Return whether to keep unpacked weights while training, and why; `tokens` is the mean of a micro batch."""
    if not _four_bit(model):
        return Choice("no", "no weight is packed")
    if model.device.type != "cpu":
        return Choice("no", "unpacking once is for CPUs; on a GPU it was not tried")
    if count_parameters(model) > LARGEST:
        return Choice("no", f"more than {LARGEST:,} weights: unpacked they would take over 1 GB")
    if tokens > LONGEST:
        return Choice("no", f"micro batches have {tokens:.0f} tokens: unpacking is a small part of a step")
    return Choice("yes", "on a CPU, 4-bit weights are unpacked once and not twice per step; the result is the same")


@contextmanager
def unpacked_for_training(model: Any, choice: Choice) -> Iterator[None]:
    """Let 4-bit layers multiply by unpacked weights inside the `with`, if `choice` (see `unpack_choice`) is yes.

    The model is the same object with the same weights; on exit every layer unpacks for itself again.
    """
    layers = _four_bit(model) if choice.value == "yes" else []
    try:
        for layer in layers:
            layer.forward = _product(layer)
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)


def _four_bit(model: Any) -> list[Any]:
    return [layer for layer in quantised_modules(model).values() if type(layer).__name__ == "Linear4bit"]


def _product(layer: Any) -> Callable[[Any], Any]:
    """Return what a 4-bit layer computes, with its weight unpacked now; the number formats are those of its own
    `forward`."""
    import torch
    from bitsandbytes.functional import dequantize_4bit

    with torch.no_grad():
        weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
        weight = weight if layer.compute_dtype is None else weight.to(layer.compute_dtype)

    def forward(x: Any) -> Any:
        inputs = x if layer.compute_dtype is None else x.to(layer.compute_dtype)
        bias = None if layer.bias is None else layer.bias.to(inputs.dtype)
        return torch.nn.functional.linear(inputs, weight.to(inputs.dtype), bias).to(x.dtype)

    return forward
