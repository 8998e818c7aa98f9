"""Packs the short rows of a micro batch into one row without padding, for training on a CPU.

Four spoken requests of 15 to 50 tokens are padded to 64: a third of the positions that a step computes is padding. In
one row behind one another they need 130 positions: on one core a step of SmolLM2 takes 1.02 s instead of 1.24 s.
Position ids begin again at 0 with each request. By that transformers recognises separate sequences, and masks them from
each other, so the loss and the gradient are the same. It looks for them only where there is no cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any

from lab_lib.models.hardware import Choice

PACKED, PADDED = "packed", "padded"
LONGEST = 512  # tokens of a packed row; longer ones would change the last digits of the demo, and were not needed
# Attention over w tokens costs w / ATTENTION of what the layers cost. For SmolLM2 it is 1 / 12 at 256 tokens: 256 x 256
# x 576 x 30 layers x 2 products = 2.3 billion multiplications against 256 x 106 million weights = 27 billion, which is
# w / 3072. It is more in small models: for lab-tiny 256 x 256 x 256 x 6 layers x 2 products = 0.20 billion against 256
# x 4.5 million = 1.16 billion, which is w / 1470.
ATTENTION = 1470
MULTIPLE = 16  # widths are multiples of this, because each new shape compiles a kernel


def cost(rows: int, width: int) -> float:
    """Return what a batch of (rows, width) costs, in tokens of which none attends to another.

    >>> round(cost(4, 192)), round(cost(1, 336))  # four conversations of 82 tokens on average, padded and packed
    (868, 413)
    """
    return rows * width * (1 + width / ATTENTION)


def pack(rows: Sequence[dict[str, list[int]]], pad: int, ignored: int, padded: int) -> dict[str, Any] | None:
    """Return input_ids, labels and position_ids of (1, width), the rows behind one another, and `use_cache`; None where
    that costs more than `padded` columns for each row.

    The label of the first token of each row is `ignored`: the token before it belongs to another row.
    """
    import torch

    tokens = sum(len(row["input_ids"]) for row in rows)
    width = -(-tokens // MULTIPLE) * MULTIPLE
    if len(rows) < 2 or tokens > LONGEST or cost(1, width) >= cost(len(rows), padded):
        return None
    fill = [pad] * (width - tokens)
    ids = [token for row in rows for token in row["input_ids"]]
    labels = [label for row in rows for label in (ignored, *row["labels"][1:])]
    places = [place for row in rows for place in range(len(row["input_ids"]))]
    return {
        "input_ids": torch.tensor([ids + fill]),
        "labels": torch.tensor([labels + [ignored] * len(fill)]),
        "position_ids": torch.tensor([[*places, *range(len(fill))]]),
        "use_cache": False,
    }


def choose_packing(model: Any) -> Choice:
    """Return (PACKED, reason) if this model gives the same logits for two packed rows as for each alone, else (PADDED,
    reason).

    The function tries it, because older model code takes no position ids, or does not separate the rows.
    """
    import torch

    if model.device.type != "cpu":
        return Choice(PADDED, "packing is for CPUs; on a GPU it was not tried")
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if "position_ids" not in signature(base.forward).parameters:
        return Choice(PADDED, "this model's code takes no position ids")
    rows = [torch.arange(start, start + 5)[None] % (model.config.vocab_size - 1) + 1 for start in (0, 5)]
    places = torch.arange(5).repeat(2)[None]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            alone = torch.cat([model(input_ids=row, use_cache=False).logits for row in rows], dim=1)
            packed = model(input_ids=torch.cat(rows, dim=1), position_ids=places, use_cache=False).logits
    finally:
        model.train(training)
    if (packed - alone).abs().max() > 0.1 * alone.float().std():  # kernels with and without a mask round differently
        return Choice(PADDED, "this model's code does not separate packed rows")
    return Choice(PACKED, f"the same loss and gradient without padding; micro batches of up to {LONGEST} tokens")
