"""The perplexity of a text under a language model, per token and per word.

With p the probability the model gives each token after all before it (natural logarithms),

    per token = exp(- sum log p / tokens),   per word = exp(- sum log p / words).

Tokens depend on the model's tokenizer, so perplexities per token of two models cannot be compared; words are the same
for all. The judging model must not be the model that wrote the text, because it would rate its own text too well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab_lib.errors import LabError
from lab_lib.evaluation.bootstrap import intervals

# Token ids of one text -> log probabilities (nats) of all but the first, each given those before it.
LogProbs = Callable[[Sequence[int]], np.ndarray]


@dataclass(frozen=True)
class Text:
    """One text to judge: its token ids, which of them count (the others are read only), and its words."""

    ids: tuple[int, ...]
    counted: tuple[bool, ...]
    words: int


@dataclass(frozen=True)
class Perplexity:
    """`per_token` and `per_word` over all texts, with 95 % bootstrap intervals over texts; what they are made of.

    `unread` counts tokens that were not judged because their text is longer than the judge reads.
    """

    per_token: float
    per_word: float
    tokens: int
    words: int
    unread: int
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def perplexity(
    texts: Sequence[Text], log_probs: LogProbs, limit: int, resamples: int = 1000, seed: int = 0
) -> Perplexity:
    """Return the perplexity of texts under a model; the first `limit` ids of each are read. 0 resamples: no intervals.

    Words of a text that is cut count in the share of its tokens that is read. Raises LabError when nothing counts.
    """
    counts = np.array([text_counts(text, log_probs, limit) for text in texts], dtype=float).reshape(-1, 3)
    if not counts[:, 1].sum():
        raise LabError("perplexity: no token to judge")
    whole = sum(sum(text.counted[1:]) for text in texts)
    main = score(counts.sum(axis=0))
    return Perplexity(
        **main,
        tokens=int(counts[:, 1].sum()),
        words=round(counts[:, 2].sum()),
        unread=whole - int(counts[:, 1].sum()),
        intervals=intervals(counts, score, resamples, seed) if resamples else {},
    )


def score(sums: np.ndarray) -> dict[str, float]:
    """Return both perplexities from (minus log probability, tokens, words).

    >>> {name: round(value, 6) for name, value in score(np.array([np.log(8), 3, 1])).items()}
    {'per_token': 2.0, 'per_word': 8.0}
    """
    # A resample may contain only empty dialogues; its perplexity is NaN, not an error.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return {"per_token": float(np.exp(sums[0] / sums[1])), "per_word": float(np.exp(sums[0] / sums[2]))}


def text_counts(text: Text, log_probs: LogProbs, limit: int) -> tuple[float, int, float]:
    """Return (minus log probability, tokens, words) of what counts in a text. The first id has nothing before it."""
    counted = np.array(text.counted[1:limit], dtype=bool)
    if not counted.any():
        return 0.0, 0, 0.0
    found = np.asarray(log_probs(text.ids[:limit]))
    share = counted.sum() / sum(text.counted[1:])
    return float(-found[counted].sum()), int(counted.sum()), text.words * share


def model_log_probs(model: Any) -> LogProbs:
    """Return the function of a causal language model (transformers or PEFT), dropout off, one text a pass."""
    import torch

    def log_probs(ids: Sequence[int]) -> np.ndarray:
        row = torch.tensor([list(ids)], device=model.device)
        with torch.inference_mode():
            logits = model(input_ids=row, use_cache=False).logits[0, :-1].float()
        found = logits.log_softmax(-1).gather(-1, row[0, 1:, None])[:, 0]
        return found.cpu().numpy().astype(np.float64)

    model.eval()
    return log_probs
