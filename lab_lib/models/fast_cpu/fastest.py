"""Measure for a fraction of a second which way of computing is the fastest on this machine.

Processors with the same bf16 instructions differ: training in bf16 is 1.7 times as fast as in fp32 on an AMD EPYC, and
takes 1.6 times as long on an Intel Xeon. The ways are timed in turn, so that other work on the machine slows them
equally, and the fastest time of each counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from lab_lib.models.hardware import Choice, Machine

SECONDS = 0.6  # for all ways that are compared, together
ROUNDS = 3  # at least; the first round compiles kernels and is not counted
ROWS, TOKENS = 4, 256  # in the measured micro batch


def fastest(ways: Mapping[str, Callable[[], None]]) -> Choice:
    """Return the way that takes the least time, with all times (milliseconds) as the reason."""
    for run in ways.values():
        run()
    best, until, rounds = dict.fromkeys(ways, float("inf")), time.perf_counter() + SECONDS, 0
    while rounds < ROUNDS or time.perf_counter() < until:
        rounds += 1
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    times = ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in best.items())
    return Choice(min(best, key=best.__getitem__), f"measured here: {times} for the same work")


def fastest_dtype(shape: Any, machine: Machine) -> Choice:
    """Return the number format, bf16 or fp32, in which this CPU trains layers of a model's shape faster.

    `shape` is the model's transformers config. On a GPU, and on a CPU without bf16, there is nothing to measure.
    """
    import torch

    if machine.capability is not None or not machine.native_bf16_cpu:
        return Choice("auto", "nothing to measure: the hardware leaves one choice")
    width = getattr(shape, "hidden_size", None) or shape.d_model
    inner = getattr(shape, "intermediate_size", None) or getattr(shape, "d_ff", None) or 4 * width
    layers = torch.nn.Sequential(torch.nn.Linear(width, inner), torch.nn.SiLU(), torch.nn.Linear(inner, width))
    rows = torch.randn(ROWS * TOKENS, width, generator=torch.Generator().manual_seed(0)).requires_grad_()

    def step(bf16: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = layers(rows).float().square().mean()
        torch.autograd.grad(loss, [rows, *layers.parameters()])

    return fastest({"bf16": lambda: step(True), "fp32": lambda: step(False)})


def fastest_attention(shape: Any, machine: Machine) -> Choice:
    """Return the attention, chunked or sdpa, with which this CPU trains in bf16 faster."""
    import torch

    from lab_lib.models.fast_cpu.chunked_attention import NAME, ChunkedAttention

    if machine.capability is not None or getattr(shape, "is_encoder_decoder", False):
        return Choice("auto", "nothing to measure: chunks are for decoders on a CPU")
    heads = shape.num_attention_heads
    width = getattr(shape, "head_dim", None) or shape.hidden_size // heads
    draw = torch.Generator().manual_seed(0)
    parts = [torch.randn(ROWS, heads, TOKENS, width, generator=draw).bfloat16().requires_grad_() for _ in range(3)]

    def fused() -> None:
        out = torch.nn.functional.scaled_dot_product_attention(*parts, is_causal=True)
        torch.autograd.grad(out.float().square().mean(), parts)

    def chunks() -> None:
        out = ChunkedAttention.apply(*parts, None)
        torch.autograd.grad(out.float().square().mean(), parts)

    return fastest({NAME: chunks, "sdpa": fused})
