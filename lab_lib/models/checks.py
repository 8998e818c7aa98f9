"""Check that the adapter exists and changes the model: done after every training and before every scoring."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.models.adapter import check_tensors


def logits(model: Any, input_ids: Any) -> Any:
    """Return the fp32 logits of one text, (positions, vocabulary), dropout off; `input_ids` a list or 1-D tensor.

    An encoder-decoder reads the text and is then forced through the same text.
    """
    import torch

    ids = torch.as_tensor(input_ids, device=model.device).reshape(1, -1)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "use_cache": False}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = ids
    with _evaluating(model), torch.no_grad():
        return model(**inputs).logits[0].float()


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Switch dropout off, and back to how it was."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def adapter_changes_logits(model: Any, input_ids: Any) -> float:
    """Return how much the adapter changes the logits of one text: the largest difference; 0.0 if it does nothing.

    The result is NaN if the adapter holds NaN. It does not show whether the change is an improvement.
    """
    with_adapter = logits(model, input_ids)
    with model.disable_adapter():
        without = logits(model, input_ids)
    return (with_adapter - without).abs().max().item()


def require_numbers(model: Any, input_ids: Sequence[int]) -> None:
    """Raise LabError if a logit of one text is NaN or infinite; the model would generate answers nevertheless."""
    import torch

    found = logits(model, input_ids)
    if torch.isnan(found).any() or torch.isposinf(found).any():
        raise LabError("the model's logits are not numbers: do its weights hold NaN? try model.dtype=fp32")


def adapter_norm(model: Any) -> float:
    """Return the Frobenius norm of all weight updates s x B A together; 0.0 for an untrained adapter (B starts at 0).

    B A is never formed: |B A|^2 = trace((B^T B)(A A^T)), two rank x rank matrices.
    """
    from peft.tuners.lora import LoraLayer

    total = 0.0
    for layer in (module for module in model.modules() if isinstance(module, LoraLayer)):
        for name in layer.active_adapters:
            a, b = layer.lora_A[name].weight.double(), layer.lora_B[name].weight.double()
            total += layer.scaling[name] ** 2 * ((b.T @ b) * (a @ a.T)).sum().item()
    return math.sqrt(max(total, 0.0)) if not math.isnan(total) else math.nan


def require_adapter_effect(model: Any, input_ids: Sequence[int]) -> float:
    """Return adapter_changes_logits, or raise LabError when the adapter is empty, is not a number, or does nothing."""
    norm = adapter_norm(model)
    if not math.isfinite(norm):
        raise LabError("the adapter holds NaN or infinite weights: training diverged; lower training.learning_rate")
    if norm == 0.0:
        raise LabError("the adapter is untrained (its updates are all zero); the model would answer as its base does")
    change = adapter_changes_logits(model, input_ids)
    if math.isnan(change):
        raise LabError("the model's logits are not numbers; try model.dtype=fp32")
    if change == 0.0:
        raise LabError("the adapter changes no logit: the model answers as its base does")
    return change


def require_saved_adapter(model: Any, folder: str | Path, weights: Mapping[str, Any] | None = None) -> int:
    """Return the bytes of a saved adapter, or raise LabError unless the file holds exactly the model's adapter.

    Guards against adapters that are saved empty: 443-byte files that load without a warning. `weights` gives the
    trained weights by name if the model holds only shards of them (`sharding.whole_weights`).
    """
    from lab_lib.models.hub import check_safetensors

    path = Path(folder) / "adapter_model.safetensors"
    check_safetensors(path)
    check_tensors(model, Path(folder), weights)
    return path.stat().st_size
