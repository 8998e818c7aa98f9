"""Sampling that depends on the item and the seed, not on the other items of its batch.

Drawing a token from softmax(scores) is the same as choosing the largest of scores + Gumbel noise (the Gumbel-max trick,
Gumbel 1954). Sampling thus becomes greedy search over noisy scores, and each row has its own noise generator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.constraints import constraint_masks
from lab_lib.prompts.encode import Prompt


def row_seed(seed: int, key: str, turn: int) -> int:
    """Return the seed of one answer: 63 bits of the SHA-256 of run seed, item key and turn."""
    digest = hashlib.sha256(f"{seed}/{key}/{turn}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def row_seeds(seed: int, prompts: Sequence[Prompt]) -> list[int]:
    """Return the seed of each prompt's answer."""
    return [row_seed(seed, prompt.key, prompt.turn) for prompt in prompts]


def warpers(config: DecodeConfig) -> list[Any]:
    """Return the warpers in the order transformers applies them: temperature, top-k, top-p, min-p, typical."""
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
    return chain


class GumbelNoise:
    """A logits processor that adds standard Gumbel noise, drawn on the CPU from one generator per row."""

    def __init__(self, seeds: Sequence[int]):
        import torch

        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return `scores` (rows, vocabulary) plus noise."""
        import torch

        # -log(-log(u)) for u in (0, 1); as -log(e) with e exponential, it cannot overflow.
        size = scores.shape[-1]
        rows = [torch.empty(size).exponential_(generator=g).log().neg() for g in self.generators]
        return scores.float() + torch.stack(rows).to(scores.device)


def sampling_processors(config: DecodeConfig, seeds: Sequence[int]) -> list[Any]:
    """Return the logits processors that make greedy search sample row i with `seeds[i]`."""
    return [*warpers(config), GumbelNoise(seeds)]


class RowProcessors:
    """All steps from the model's logits to the next token, for rows that may end at different times.

    In transformers' order: logit biases, repetition penalty, no repeated n-gram, least number of new tokens; then the
    constraints, then sampling.
    """

    def __init__(
        self, config: DecodeConfig, prompts: Sequence[Prompt], tokenizer: Any, device: Any, bias: list[list[Any]]
    ):
        import torch
        from transformers.generation import logits_process as processors

        # A row is padded with its own first token, so that the repetition penalty sees only tokens of the row.
        width = max(len(prompt.ids) for prompt in prompts)
        rows = [[prompt.ids[0]] * (width - len(prompt.ids)) + list(prompt.ids) for prompt in prompts]
        self.history = torch.tensor(rows, device=device)
        self.chain: list[Any] = [processors.SequenceBiasLogitsProcessor(bias)] if bias else []
        if config.repetition_penalty != 1.0:
            self.chain.append(processors.RepetitionPenaltyLogitsProcessor(config.repetition_penalty))
        if config.no_repeat_ngram:
            self.chain.append(processors.NoRepeatNGramLogitsProcessor(config.no_repeat_ngram))
        if config.min_new_tokens:
            least, eos = config.min_new_tokens, tokenizer.eos_token_id
            self.chain.append(processors.MinNewTokensLengthLogitsProcessor(width, least, eos, device=device))
        self.masks = constraint_masks(prompts, width, tokenizer)
        self.noise = GumbelNoise(row_seeds(config.seed, prompts)) if config.sample else None
        self.chain += [*self.masks, *([*warpers(config), self.noise] if self.noise else [])]

    def __call__(self, logits: Any) -> Any:
        """Return the scores; the largest of each row is its next token."""
        scores = logits.float()
        for processor in self.chain:
            scores = processor(self.history, scores)
        return scores

    def append(self, tokens: Any) -> None:
        """Add the tokens that were chosen, one per row."""
        import torch

        self.history = torch.cat([self.history, tokens[:, None]], dim=-1)

    def keep(self, rows: Sequence[int]) -> None:
        """Continue with some of the rows only."""
        self.history = self.history[list(rows)]
        for mask in self.masks:
            mask.keep(rows)
        if self.noise:
            self.noise.generators = [self.noise.generators[row] for row in rows]
