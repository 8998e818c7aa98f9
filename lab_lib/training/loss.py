"""Computes the LM head at supervised positions only.

One third of a dialogue's tokens are supervised. For the other tokens, computing logits, converting them to fp32 and to
probabilities would only give gradients of zero. Skipping them changes neither the loss nor the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

from lab_lib.models.hardware import Choice
from lab_lib.training.batches import IGNORED, Collator
from lab_lib.training.packing import PACKED, choose_packing
from lab_lib.training.seq2seq import collator_for, loss_for

SHORT, LONG = "supervised positions", "every position"


def supervised_loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """Return the cross-entropy of logits that exist for supervised positions only (the Trainer's `compute_loss_func`).

    `outputs.logits` has one row per label that is not IGNORED, in reading order. The loss is the sum of their
    cross-entropies divided by `num_items_in_batch`, the number of supervised tokens of the whole optimiser step; the
    mean if it is not given.
    """
    import torch

    wanted = labels[:, 1:]  # position t predicts token t + 1
    targets = wanted[wanted != IGNORED]
    logits = outputs.logits.to(torch.promote_types(outputs.logits.dtype, torch.float32))
    total = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    return total / (len(targets) if num_items_in_batch is None else num_items_in_batch)


@dataclass(frozen=True)
class Batching:
    """The collator and the loss for one model; `loss` is None if the model's own loss is correct.

    `packing` says whether short rows are packed; None for long batches, which have a mask instead.
    """

    collate: Callable[[Sequence[dict[str, list[int]]]], dict[str, Any]]
    loss: Callable[..., Any] | None
    logits: Choice
    packing: Choice | None = None

    def on(self, device: Any, rows: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
        """Return the batch of some rows, its tensors on a device; `use_cache` of packed rows is no tensor."""
        batch = self.collate(rows)
        return {name: value.to(device) if hasattr(value, "to") else value for name, value in batch.items()}

    def __call__(self, model: Any, batch: dict[str, Any]) -> Any:
        """Return the mean loss of a supervised token of one batch, as the Trainer computes it, for measurements."""
        if self.loss is None:
            return model(**batch).loss
        return self.loss(model(**{name: tensor for name, tensor in batch.items() if name != "labels"}), batch["labels"])


def batching_for(model: Any, pad: int) -> Batching:
    """Return the batching for `model`: short batches if they give the same result, else a mask and all logits."""
    logits = choose_positions(model)
    if logits.value == SHORT:
        packing = choose_packing(model)
        return Batching(Collator(pad, True, packing.value == PACKED), supervised_loss, logits, packing)
    return Batching(collator_for(model, pad), loss_for(model), logits)


def choose_positions(model: Any) -> Choice:
    """Return (SHORT, reason) if this model gives the same logits for a short batch as for a long one, else (LONG,
    reason).

    The function tries both on two rows, because model code differs: older code has no `logits_to_keep` or accepts only
    a number, and a model that is not causal would attend to the padding, which a short batch does not mask.
    """
    import torch

    if model.config.is_encoder_decoder:
        return Choice(LONG, "the decoder reads only the reply, whose tokens are all supervised")
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if "logits_to_keep" not in signature(base.forward).parameters:
        return Choice(LONG, "this model's code cannot skip logits")
    ids = torch.arange(12, device=model.device).reshape(2, 6) % (model.config.vocab_size - 1) + 1
    mask = torch.tensor([[1] * 6, [1] * 3 + [0] * 3], device=model.device)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            full = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[mask.bool()]
            kept = model(input_ids=ids, logits_to_keep=mask.bool(), use_cache=False).logits
    except (IndexError, RuntimeError) as error:
        return Choice(LONG, f"this model's code does not take a mask of positions ({type(error).__name__})")
    finally:
        model.train(training)
    # Kernels with and without a mask round differently. A model that attended to the padding would differ by about one
    # standard deviation.
    if kept.shape != full.shape or (kept - full).abs().max() > 0.1 * full.float().std():
        return Choice(LONG, "this model's logits change when padding is not masked")
    return Choice(SHORT, "the same loss and gradient; the others' logits are not computed")
