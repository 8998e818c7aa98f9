"""Causal attention for training in bf16 on a CPU: chunks of queries, each multiplied with its visible keys.

PyTorch's fused CPU kernel multiplies tiles too small for the processor's bf16 instructions. A chunk of 128 queries
makes the products large enough and skips the scores above the diagonal, except for one small triangle. Like the fused
kernel, it never holds the whole matrix of scores: the backward pass computes each chunk's scores again.

Measured for 8 rows of 576 tokens, 4 heads of width 64, forward and backward on one core with avx512_bf16: on an AMD
EPYC 57 ms, where the fused kernel takes 105 ms without and 135 ms with a mask; on a busy Intel Xeon 156 ms, where the
fused kernel takes 172 and 220 ms, and whole training steps of lab-tiny take the same time. In fp32 the fused kernel is
faster (105 ms against 116 ms on the EPYC).
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from lab_lib.models.hardware import Choice

CHUNK = 128  # queries; with 256 the scores of a long row do not fit the cache, with 64 the products are too small
NAME = "chunked"


class ChunkedAttention(torch.autograd.Function):
    """softmax(Q K^T) V, causal; Q, K, V of shape (rows, heads, tokens, width), Q scaled beforehand.

    `mask` (rows, 1, tokens, tokens) is true where a query may attend, never above the diagonal. None is a causal mask.
    """

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, mask: Any = None) -> Any:
        """Return the mixed values, same shape as `value`."""
        ctx.save_for_backward(query, key, value, mask)
        mixed = torch.empty_like(value)
        for start in range(0, query.shape[2], CHUNK):
            end = start + CHUNK
            mixed[:, :, start:end] = _shares(query, key, mask, start) @ value[:, :, :end]
        return mixed

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:  # type: ignore[override]
        """With P = softmax(S), S = Q K^T, O = P V: dV = P^T dO, dP = dO V^T, dS from dP, dQ = dS K, dK = dS^T Q.

        dK and dV are sums over chunks and are kept in fp32 (or wider) until the last one.
        """
        query, key, value, mask = ctx.saved_tensors
        wide = torch.promote_types(key.dtype, torch.float32)
        to_query = torch.empty_like(query)
        to_key, to_value = torch.zeros_like(key, dtype=wide), torch.zeros_like(value, dtype=wide)
        for start in range(0, query.shape[2], CHUNK):
            end = start + CHUNK
            shares, part = _shares(query, key, mask, start), gradient[:, :, start:end]
            to_value[:, :, :end] += shares.transpose(-1, -2) @ part
            to_shares = part @ value[:, :, :end].transpose(-1, -2)
            to_scores = torch._softmax_backward_data(to_shares, shares, -1, shares.dtype)
            to_query[:, :, start:end] = to_scores @ key[:, :, :end]
            to_key[:, :, :end] += to_scores.transpose(-1, -2) @ query[:, :, start:end]
        return to_query, to_key.to(key.dtype), to_value.to(value.dtype), None


def _shares(query: Any, key: Any, mask: Any, start: int) -> Any:
    """Return the attention weights of the chunk's queries on the keys up to the chunk's end; each row sums to 1."""
    chunk = query[:, :, start : start + CHUNK]
    count = chunk.shape[2]
    scores = chunk @ key[:, :, : start + count].transpose(-1, -2)
    if mask is None:
        scores[..., start:] += torch.full((count, count), -torch.inf, dtype=scores.dtype).triu(1)
    else:  # a padding token on the left may attend to no key: a finite number keeps its row from becoming NaN
        hidden = ~mask[:, :, start : start + count, : start + count]
        scores.masked_fill_(hidden, torch.finfo(scores.dtype).min)
    return scores.softmax(-1)


def chunked_attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Any, None]:
    """Attention as transformers calls it: chunks where they apply, else the fused kernel.

    Chunks apply while gradients are computed, for causal attention over whole rows, with no mask (right padding needs
    none) or a boolean mask (packed rows), and without dropout, position bias or soft cap. Decoding uses the fused
    kernel.
    """
    causal = more.get("is_causal")
    plain = not any(more.get(name) is not None for name in ("position_bias", "softcap", "sliding_window", "cache"))
    plain = plain and (getattr(module, "is_causal", True) if causal is None else causal)
    whole = query.shape[2] == key.shape[2] and key.shape[-1] == value.shape[-1]
    whole = whole and (attention_mask is None or attention_mask.dtype == torch.bool)
    if not (torch.is_grad_enabled() and plain and whole and dropout == 0.0):
        fused = ALL_ATTENTION_FUNCTIONS["sdpa"]
        return fused(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more)
    groups = query.shape[1] // key.shape[1]  # grouped-query attention: several heads share a key
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    if torch.is_autocast_enabled(query.device.type):
        dtype = torch.get_autocast_dtype(query.device.type)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return ChunkedAttention.apply(query * scale, key, value, attention_mask).transpose(1, 2).contiguous(), None


def use_chunks(model: Any, dtype: str) -> Choice | None:
    """Switch a decoder that is trained in bf16 on a CPU to chunked attention; None, and no change, for any other."""
    if model.device.type != "cpu" or dtype != "bf16" or model.config.is_encoder_decoder:
        return None
    AttentionInterface.register(NAME, chunked_attention)
    AttentionMaskInterface.register(NAME, AttentionMaskInterface()["sdpa"])
    model.set_attn_implementation(NAME)
    if model.config._attn_implementation != NAME:  # model code that does not use the registry of attentions
        return None
    return Choice(
        NAME,
        "in bf16 on a CPU as fast as the fused kernel (Intel Xeon) or 1.8 times (AMD EPYC), with AMX and two threads "
        "0.6 times (model.attention=fastest measures); decoding uses the fused one",
    )
