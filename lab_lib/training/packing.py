"""Several dialogues in one row, with attention kept apart: less padding where lengths in a batch differ much.

Packed are the examples of one micro batch, so the order of examples, the optimiser steps and their gradients are those
of unpacked training; only the shape of the tensors is another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab_lib.errors import LabError
from lab_lib.training.batches import IGNORED, Collator

Row = dict[str, list[int]]


def pack(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Return indices in groups whose lengths sum up to `width` at most: each into the first group with room.

    The longest come first; one longer than `width` is a group by itself.

    >>> pack([3, 5, 2, 6], 8)
    [[3, 2], [1, 0]]
    """
    groups: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        free = next((n for n, left in enumerate(room) if left >= lengths[index]), None)
        if free is None:
            groups.append([index])
            room.append(width - lengths[index])
        else:
            groups[free].append(index)
            room[free] -= lengths[index]
    return groups


class PackedCollator:
    """Pack a micro batch to rows of at most `width` tokens; positions start again at 0 where an example does.

    From positions that start again the model's code makes a mask in which no example sees another one, as long as
    there is no cache of keys and values.
    """

    def __init__(self, pad: int, width: int):
        self.width, self.collate = width, Collator(pad, short=True)

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return tensors input_ids, labels, logits_to_keep and position_ids of shape (packed rows, longest of them)."""
        import torch

        groups = pack([len(row["input_ids"]) for row in rows], self.width)
        batch = self.collate([_join([rows[i] for i in group]) for group in groups])
        total = batch["input_ids"].shape[1]
        positions = [_positions([len(rows[i]["input_ids"]) for i in group], total) for group in groups]
        return {**batch, "position_ids": torch.tensor(positions)}


def _join(rows: Sequence[Row]) -> Row:
    """Join rows to one. The last token of one must not learn to predict the first of the next."""
    ids = [i for row in rows for i in row["input_ids"]]
    labels = [label for row in rows for label in (IGNORED, *row["labels"][1:])]
    return {"input_ids": ids, "labels": labels}


def _positions(lengths: Sequence[int], total: int) -> list[int]:
    """Return 0, 1, ... for each example, and for the padding after the last as if it were one more."""
    return [position for length in (*lengths, total - sum(lengths)) for position in range(length)]


def require_apart(model: Any) -> None:
    """Raise LabError unless this model keeps packed examples apart: tried out on two rows of two examples each.

    Models whose code makes no mask from positions mix, and so do attention kernels that expect a single row.
    """
    import torch

    ids = torch.arange(16, device=model.device).reshape(4, 4) % (model.config.vocab_size - 1) + 1
    positions = torch.arange(4, device=model.device).repeat(2, 2)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            alone = model(input_ids=ids, use_cache=False).logits
            packed = model(input_ids=ids.reshape(2, 8), position_ids=positions, use_cache=False).logits
    finally:
        model.train(training)
    if (packed.reshape(alone.shape) - alone).abs().max() > 0.1 * alone.float().std():
        raise LabError("training.packing: this model mixes what is packed into a row; set training.packing=false")
