"""Batches and loss of an encoder-decoder: the encoder reads the source, the decoder learns the reply.

An example of prompt format `pairs` is a source, none of whose tokens is supervised, followed by a target, all of whose
tokens are. The decoder never predicts the source, so no gradient comes from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab_lib.errors import LabError
from lab_lib.training.batches import IGNORED, Collator, Encoded, to_rows

# Sources and targets are padded to multiples of these: replies are short, so a multiple of 64 would be mostly padding.
SOURCE_MULTIPLE, TARGET_MULTIPLE = 64, 16
Rows = list[dict[str, list[int]]]


def rows_for(model: Any, examples: Sequence[Encoded], eos: int) -> Rows:
    """Return the rows `model` is trained on: source and target for an encoder-decoder, else `batches.to_rows`."""
    rows = to_rows(examples, eos)
    return [split(row, e.key) for row, e in zip(rows, examples, strict=True)] if _is_pairs(model) else rows


def collator_for(model: Any, pad: int) -> Any:
    """Return the collator that makes a batch of these rows for `model`."""
    return PairCollator(pad, model.config.decoder_start_token_id) if _is_pairs(model) else Collator(pad)


def loss_for(model: Any) -> Any:
    """Return the loss function that the trainer must call; None if the model's own loss is correct."""
    return pair_loss if _is_pairs(model) else None


def _is_pairs(model: Any) -> bool:
    return bool(model.config.is_encoder_decoder)


def split(row: dict[str, list[int]], key: str) -> dict[str, list[int]]:
    """Cut a row {"input_ids", "labels"} at its first supervised token: the source before it, the target from there on.

    Raises LabError unless the supervised tokens are the end of the row, with a source before them.
    """
    labels = row["labels"]
    start = next(n for n, label in enumerate(labels) if label != IGNORED)
    if start == 0 or IGNORED in labels[start:]:
        raise LabError(f"{key}: an encoder-decoder learns one answer per example; set prompt.format=pairs")
    return {"input_ids": row["input_ids"][:start], "labels": labels[start:]}


class PairCollator:
    """Pad sources and targets on the right, each to one length; the decoder reads the target one place behind."""

    def __init__(self, pad: int, start: int):
        self.pad, self.start = pad, start

    def __call__(self, rows: Rows) -> dict[str, Any]:
        """Return int64 tensors of shape (rows, width): input_ids and attention_mask; labels and decoder_input_ids.

        The decoder's first input is the start token, its last the token before EOS. Its padding needs no mask: the
        decoder looks only back, and the loss ignores padded labels.
        """
        import torch

        sources, targets = [row["input_ids"] for row in rows], [row["labels"] for row in rows]
        labels = _padded(targets, IGNORED, TARGET_MULTIPLE)
        shifted = _padded([[self.start, *target[:-1]] for target in targets], self.pad, TARGET_MULTIPLE)
        ids = _padded(sources, self.pad, SOURCE_MULTIPLE)
        lengths = torch.tensor([len(source) for source in sources])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        return {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": shifted, "labels": labels}


def _padded(rows: Sequence[Sequence[int]], value: int, multiple: int) -> Any:
    """Return a tensor of the rows, padded with `value` to the longest row, rounded up to a multiple."""
    import torch

    width = -(-max(map(len, rows)) // multiple) * multiple
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])


def pair_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Return the summed cross-entropy of the targets over the number of supervised tokens of the whole optimiser step.

    T5's own loss is a mean over one micro batch, so the weight of a token depends on the size of its micro batch. In
    addition, T5's forward() accepts any keyword, so the trainer of transformers 5 assumes that the loss divides by the
    tokens of the whole step and does not average over micro batches: with 4 micro batches the gradient is 4 times too
    large.
    """
    import torch

    logits = outputs.logits.float().flatten(0, 1)
    total = torch.nn.functional.cross_entropy(logits, labels.flatten(), ignore_index=IGNORED, reduction="sum")
    return total / ((labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)
