"""Estimate the memory that training needs from a model's shape and its largest batch.

On a CPU the estimate covers the whole process, as `memory.json` of a run does; on a GPU it covers only computed parts.
Most parts are computed. Two were fitted to recorded runs (tests/test_runs_dry_run.py): Python with its libraries,
and the memory that kernels and the allocator hold beside the activations.
"""

from __future__ import annotations

from typing import Any

PROCESS = 0.8e9  # bytes of Python, torch, transformers, bitsandbytes and the Trainer
# Bytes on top of each byte of activations, on a CPU. The gradients of the backward pass are about as large as the kept
# activations. In bf16, oneDNN compiles kernels for every new shape of a batch and keeps them with their scratch memory.
BESIDE = {"fp32": 1.0, "bf16": 5.5}
ADAM = 12  # bytes per trained weight: a gradient and two moments; the fp32 weight itself is counted among the weights


def memory_parts(
    model: Any, trainable: int, tokens: int, predicted: int, gradient_checkpointing: bool = False, dtype: str = "bf16"
) -> dict[str, float]:
    """Return {part: bytes}. `tokens` are those of the largest micro batch, `predicted` those with logits."""
    from lab_lib.models.fast_cpu.merged_for_decoding import merge_choice
    from lab_lib.models.quantised import weight_bytes

    activations = float(tokens * kept_bytes(model, gradient_checkpointing, dtype))
    activations += predicted * 8 * model.config.vocab_size  # logits in fp32, and their gradient
    parts = {"weights": weight_bytes(model), "gradients and optimiser": ADAM * trainable, "activations": activations}
    if model.device.type != "cpu":
        return parts
    unpacked = 4.0 * packed_weights(model) if merge_choice(model).value == "yes" else 0.0
    beside = BESIDE.get(dtype, BESIDE["bf16"]) * activations
    return {"Python": PROCESS, **parts, "weights unpacked to decode": unpacked, "kernels": beside}


def kept_bytes(model: Any, gradient_checkpointing: bool, dtype: str) -> float:
    """Return the bytes per token that all layers keep for the backward pass.

    A Llama layer keeps 8 rows of `hidden_size` (inputs, norms, queries, attention outputs and residuals), the keys and
    values, and 4 rows of the feed-forward width: gate, up, activation and product (2 without a gate). Attention scores
    are computed again. With checkpointing each layer keeps only its input, and one layer at a time keeps the rest.
    """
    shape = model.config
    hidden = shape.hidden_size
    wide = getattr(shape, "intermediate_size", None) or getattr(shape, "d_ff", None) or 4 * hidden
    heads = getattr(shape, "num_key_value_heads", None) or shape.num_attention_heads
    head = getattr(shape, "head_dim", None) or getattr(shape, "d_kv", None) or hidden // shape.num_attention_heads
    gated = any(name.endswith(("gate_proj", "gate_up_proj", "wi_1")) for name, _ in model.named_modules())
    layer = (8 * hidden + 2 * heads * head + (4 if gated else 2) * wide) * (4 if dtype == "fp32" else 2)
    layers = shape.num_hidden_layers
    return layer + layers * hidden * (4 if dtype == "fp32" else 2) if gradient_checkpointing else layer * layers


def packed_weights(model: Any) -> int:
    """Return the number of weights in quantised or adapted linear layers: decoding also holds them in fp32."""
    from torch.nn import Linear

    found = (
        module
        for name, module in model.named_modules()
        if isinstance(module, Linear) and (type(module) is not Linear or name.endswith(".base_layer"))
    )
    return sum(module.in_features * module.out_features for module in found)


def memory_estimate(
    model: Any, trainable: int, tokens: int, predicted: int, gradient_checkpointing: bool = False, dtype: str = "bf16"
) -> str:
    """Return the estimate in one line, with its parts."""
    parts = memory_parts(model, trainable, tokens, predicted, gradient_checkpointing, dtype)
    text = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in parts.items() if size >= 5e6)
    where = "the whole process" if "Python" in parts else "the GPU, by arithmetic alone"
    return f"memory estimate: {sum(parts.values()) / 1e9:.2f} GB for {where} ({text})"
