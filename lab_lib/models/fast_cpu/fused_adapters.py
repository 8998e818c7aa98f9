"""Computes a 4-bit layer and its adapter as one operation while a model is trained in bf16 on a CPU.

PEFT converts the input of every adapter to fp32, which autocast converts back to bf16, copies the layer's output before
it adds to it, and the backward pass repeats these passes over memory. Where the processor multiplies bf16 quickly
(AMX), they take longer than the products. Here the input is converted once and the sum is made in place. Products,
roundings and sums are PEFT's: with a scale (alpha / rank) that is a power of two, loss and gradients are equal to the
last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch


class AdaptedProduct(torch.autograd.Function):
    """x W^T + (x A^T) (s B)^T, with W (outputs, inputs) in bf16 and not trained, A (rank, inputs), B (outputs, rank).

    The products are bf16, the sum has the format of x. Adding to a bf16 output instead would lose updates of less than
    half its last digit: most of what an adapter has learned in its first steps.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, bias: Any, a: Any, b: Any, scale: float) -> Any:
        """Return the sum, of shape (..., outputs)."""
        rows = x.reshape(-1, x.shape[-1]).to(torch.bfloat16)
        a, b = a.to(torch.bfloat16), (b * scale).to(torch.bfloat16)
        inner = rows @ a.T
        ctx.save_for_backward(rows, inner, weight, a, b)
        ctx.scale, ctx.dtype = scale, x.dtype
        # A tensor of its own and no view, because some models (Falcon) add to a layer's output in place.
        total = x.new_empty((*x.shape[:-1], len(weight)))
        flat = total.view(-1, len(weight)).copy_(torch.nn.functional.linear(rows, weight, bias))
        flat.add_(inner @ b.T)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:  # type: ignore[override]
        """With H = x A^T and G = dY s B: dx = dY W + G A, dA = G^T x, dB = s dY^T H."""
        rows, inner, weight, a, b = ctx.saved_tensors
        arrived = gradient.reshape(-1, gradient.shape[-1]).to(torch.bfloat16)
        to_inner = arrived @ b
        to_x = (arrived @ weight).to(ctx.dtype).add_(to_inner @ a).view(*gradient.shape[:-1], -1)
        to_b = (arrived.T @ inner).float() * ctx.scale
        return to_x, None, None, (to_inner.T @ rows).float(), to_b, None


def plain_adapters(model: Any) -> Iterator[Any]:
    """Yield the 4-bit layers that compute in bf16 and have one LoRA adapter, without dropout or variant."""
    from peft.tuners.lora import LoraLayer

    for layer in model.modules():
        if not isinstance(layer, LoraLayer) or type(layer.get_base_layer()).__name__ != "Linear4bit":
            continue
        names = list(layer.active_adapters)
        simple = len(names) == 1 and names[0] in layer.lora_A and names[0] not in layer.lora_variant
        if simple and layer.get_base_layer().compute_dtype == torch.bfloat16:
            dropout = layer.lora_dropout[names[0]]
            if isinstance(dropout, torch.nn.Identity) or dropout.p == 0:
                yield layer


def fused(layer: Any, weight: Any) -> Callable[..., Any]:
    """Return what `layer`, one of `plain_adapters`, computes, as one operation with its unpacked bf16 `weight`.

    The layer computes for itself outside bf16 autocast, while its adapter is disabled or merged, and when it is called
    with more than its input.
    """
    name = layer.active_adapters[0]
    a, b, scale = layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]
    bias, usual = layer.get_base_layer().bias, layer.forward

    def forward(x: Any, *more: Any, **named: Any) -> Any:
        bf16 = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
        if not bf16 or more or named or layer.disable_adapters or layer.merged:
            return usual(x, *more, **named)
        return AdaptedProduct.apply(x, weight, None if bias is None else bias.to(torch.bfloat16), a, b, scale)

    return forward
