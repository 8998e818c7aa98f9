"""Linear layers, quantised by bitsandbytes or not: find them, count their weights, keep them trainable."""

from __future__ import annotations

import logging
import sys
from typing import Any

from lab_lib.errors import LabError


def quantised_modules(model: Any) -> dict[str, Any]:
    """Return the 4-bit and 8-bit linear layers by full name.

    A model with such layers has already imported bitsandbytes; importing it for any other model would cost a second.
    """
    if "bitsandbytes" not in sys.modules:
        return {}
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    return {name: module for name, module in model.named_modules() if isinstance(module, Linear4bit | Linear8bitLt)}


def linear_modules(model: Any) -> list[str]:
    """Return the full names of the linear layers (quantised or not), without the output layer over the vocabulary.

    GPT-2's layers have a class of their own, Conv1D: they are linear too, with the weight transposed.
    """
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    output = model.get_output_embeddings()
    named = model.named_modules()
    return [name for name, module in named if isinstance(module, Linear | Conv1D) and module is not output]


def parameter_count(parameter: Any) -> int:
    """Return how many weights a parameter stands for.

    A 4-bit parameter stores two weights per byte: a 64 x 64 layer has 2,048 bytes. Counting bytes would halve the
    total; the quantisation state keeps the shape before packing.
    """
    state = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else state.shape.numel()


def count_parameters(model: Any, trainable: bool = False) -> int:
    """Return the number of weights of a model, shared ones once; only those being trained if `trainable`."""
    return sum(parameter_count(p) for p in model.parameters() if p.requires_grad or not trainable)


def weight_bytes(model: Any) -> int:
    """Return the bytes of a model's parameters, with the scales of quantised blocks."""
    return sum(p.numel() * p.element_size() + _scale_bytes(p) for p in model.parameters())


def _scale_bytes(parameter: Any) -> int:
    """Return the bytes of a 4-bit or 8-bit parameter's scales.

    4-bit: one fp32 scale per block of 64 weights, 32/64 = 0.5 bits per weight; with quantised scales one byte per block
    and one fp32 per 256 blocks, 8/64 + 32/(64 x 256) = 0.127 bits. 8-bit: one fp32 per row (SCB).
    """
    state = getattr(parameter, "quant_state", None)
    scales = [getattr(parameter, "SCB", None)]
    if state is not None:
        scales += [state.absmax, state.state2.absmax if state.nested else None]
    return sum(s.numel() * s.element_size() for s in scales if s is not None)


def use_one_kernel(model: Any) -> None:
    """Keep bitsandbytes from changing a 4-bit model the first time it generates on a CPU.

    On CPUs with avx512_bf16, bitsandbytes 0.50 repacks a 4-bit weight at its first forward pass in eval mode for
    another kernel. That kernel has no backward pass: training after an evaluation silently loses every gradient that
    goes through a frozen layer. It rounds the scales to bf16, so the model that generates is not the one that was
    trained, and it refuses layers whose width is not a multiple of 32. It is not faster either: a 640 x 256 layer takes
    73 microseconds instead of 133 for 1 row, but 2,259 instead of 925 for 1,024 rows, and prompts have many rows.
    """
    for module in quantised_modules(model).values():
        if hasattr(module, "support_avx512bf16_for_cpu"):  # 8-bit layers and older versions have no such kernel
            module.support_avx512bf16_for_cpu = False


def require_bitsandbytes(setting: str, instead: str) -> None:
    """Raise LabError if `setting` needs bitsandbytes (quantisation, paged optimisers) and it is not installed."""
    from importlib.util import find_spec

    if find_spec("bitsandbytes") is None:
        raise LabError(
            f"{setting}: the package bitsandbytes is not installed; `pip install bitsandbytes` or set {instead}"
        )


def quiet_bitsandbytes() -> None:
    """Silence bitsandbytes' advice, given at its import on a CPU, to install a kernel that we do not use (see
    above)."""
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
