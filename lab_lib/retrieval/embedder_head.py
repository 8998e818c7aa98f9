"""Tune a layer after a frozen embedding model: every text is encoded once, and a step takes a millisecond.

The layer adds a linear map with tanh of a vector to the vector, and starts at zero: with few exemplars the result stays
near that of the original model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np

from lab_lib.retrieval.config import EmbedderConfig
from lab_lib.retrieval.embedder_trainer import DIRECTIONS, figures_line
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.pairs import Triple, one_function_once

Log = Callable[[str], None]


class HeadEncoder(Encoder):
    """An encoder whose vectors pass through a layer; those before it are made once."""

    def __init__(self, before: Encoder, head: Any) -> None:
        super().__init__(before.name, before.query_prompt)
        self.before, self.head = before, head

    def _encode(self, texts: Sequence[str], side: str, progress: Callable[[int], None]) -> np.ndarray:
        vectors = self.before._encode(texts, side, progress)
        return _through(self.head, vectors)


def train_head(
    encoder: Encoder,
    rows: Sequence[Triple],
    judge: Callable[[Encoder], dict[str, float]],
    config: EmbedderConfig,
    log: Log,
) -> tuple[Any, list[dict[str, float]]]:
    """Return (the model with the best layer behind it, the figures of each evaluation)."""
    import torch
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    torch.manual_seed(config.seed)
    columns = _columns(encoder, rows, bool(config.hard))
    head = _layer(columns[0].shape[1])
    optimiser = torch.optim.AdamW(head.parameters(), lr=config.rate, weight_decay=0.0)
    loss = MultipleNegativesRankingLoss(encoder.model, scale=config.scale, directions=DIRECTIONS)
    best, kept, judged, waited = -1.0, {}, list[dict[str, float]](), 0
    for step, batch in enumerate(_endless([row.functions for row in rows], config), 1):
        for group in optimiser.param_groups:
            group["lr"] = config.rate * _schedule(step, config)
        optimiser.zero_grad()
        loss.compute_loss_from_embeddings([_apply(head, column[batch]) for column in columns], None).backward()
        optimiser.step()
        if step % config.evaluate_every and step < config.steps:
            continue
        figures = judge(HeadEncoder(encoder, head))
        judged.append({"step": step, **figures})
        log(figures_line(step, figures))
        waited += 1
        if figures["recall"] > best:
            best, waited = figures["recall"], 0
            kept = {name: weight.clone() for name, weight in head.state_dict().items()}
        if waited >= config.patience or step >= config.steps:
            break
    head.load_state_dict(kept)
    return with_head(encoder.model, head), judged


def with_head(model: Any, head: Any) -> Any:
    """Return a model that ends with the layer, and unit vectors behind it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize

    modules = list(model)
    end = [] if isinstance(modules[-1], Normalize) else [Normalize()]  # the layer learned from unit vectors
    return SentenceTransformer(modules=[*modules, *end, head, Normalize()], prompts=dict(model.prompts))


def _layer(width: int) -> Any:
    import torch
    from sentence_transformers.sentence_transformer.modules import Dense

    zero = torch.zeros(width, width)
    return Dense(width, width, True, torch.nn.Tanh(), zero, torch.zeros(width), use_residual=True)


def _columns(encoder: Encoder, rows: Sequence[Triple], hard: bool) -> list[Any]:
    """Return the vectors of anchors, positives and, if asked for, negatives, each (triples, width)."""
    import torch

    texts = [[row.anchor for row in rows], [row.positive for row in rows]] + ([[row.negative for row in rows]] * hard)
    return [torch.from_numpy(encoder.symmetric(column)) for column in texts]


def _endless(functions: Sequence[Sequence[str]], config: EmbedderConfig) -> Iterator[list[int]]:
    """Yield batches with one function once, epoch after epoch, each in another order."""
    for epoch in count():
        yield from one_function_once(functions, config.batch, config.seed + epoch)


def _schedule(step: int, config: EmbedderConfig) -> float:
    """Return the share of the learning rate: it rises in the warm-up and falls to 0 at the last step."""
    rising = max(1.0, config.warmup * config.steps)
    return min(step / rising, max(0.0, (config.steps - step + 1) / max(1.0, config.steps - rising)))


def _apply(head: Any, vectors: Any) -> Any:
    return head({"sentence_embedding": vectors})["sentence_embedding"]


def _through(head: Any, vectors: np.ndarray) -> np.ndarray:
    import torch

    with torch.inference_mode():
        moved = _apply(head, torch.from_numpy(np.ascontiguousarray(vectors)))
        return torch.nn.functional.normalize(moved, dim=1).numpy()
