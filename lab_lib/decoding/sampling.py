"""Sampling that depends on the dialogue and the seed, not on which other dialogues share its batch.

Drawing a token from softmax(scores) is the same as taking the largest of scores + Gumbel noise (the Gumbel-max trick,
Gumbel 1954). So sampling becomes greedy search over noisy scores, and each row gets the noise of its own generator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from lab_lib.decoding.config import DecodeConfig


def row_seed(seed: int, key: str, turn: int) -> int:
    """Return the seed of one reply: 63 bits of SHA-256 over run seed, dialogue and turn."""
    digest = hashlib.sha256(f"{seed}/{key}/{turn}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def sampling_processors(config: DecodeConfig, seeds: Sequence[int]) -> Any:
    """Return the transformers LogitsProcessorList that makes greedy search sample row i with `seeds[i]`.

    The warpers come in the order transformers applies them: temperature, top-k, top-p, min-p, typical, then noise.
    """
    from transformers import LogitsProcessorList
    from transformers.generation import logits_process as warp

    chain: list[Any] = []
    if config.temperature != 1.0:
        chain.append(warp.TemperatureLogitsWarper(config.temperature))
    if config.top_k:
        chain.append(warp.TopKLogitsWarper(config.top_k))
    if config.top_p < 1.0:
        chain.append(warp.TopPLogitsWarper(config.top_p))
    if config.min_p:
        chain.append(warp.MinPLogitsWarper(config.min_p))
    if config.typical_p < 1.0:
        chain.append(warp.TypicalLogitsWarper(config.typical_p))
    return LogitsProcessorList([*chain, gumbel_noise(seeds)])


def gumbel_noise(seeds: Sequence[int]) -> Any:
    """Return a LogitsProcessor that adds standard Gumbel noise, drawn on the CPU from a generator of each row."""
    import torch
    from transformers import LogitsProcessor

    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    class GumbelNoise(LogitsProcessor):
        def __call__(self, input_ids: Any, scores: Any) -> Any:
            # -log(-log(u)) for u in (0, 1); as -log(e) with e exponential, it cannot overflow.
            rows = [torch.empty(scores.shape[-1]).exponential_(generator=g).log().neg() for g in generators]
            return scores.float() + torch.stack(rows).to(scores.device)

    return GumbelNoise()
