"""Fused kernels on a GPU (`training.kernels=liger`): Liger's RMSNorm, rotary positions and feed-forward gate.

Each is one pass over memory, forward and backward, where PyTorch makes several and keeps what lies between. Liger's own
loss is left out: ours computes logits at supervised positions only. No GPU has run it here: docs/lab-log.md says what
was compared instead.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from lab_lib.errors import LabError
from lab_lib.models.hardware import Choice, Machine

LIGER = "liger"
OUR_LOSS = {"cross_entropy": False, "fused_linear_cross_entropy": False}


def choose_kernels(wanted: str, machine: Machine, family: str) -> Choice:
    """Return `torch` or `liger`; `family` is the model_type of config.json.

    Raises LabError where Liger's kernels cannot run: without a GPU, without the package, or for an unknown family.
    """
    if wanted != LIGER:
        return Choice("torch", "PyTorch's own kernels")
    if machine.capability is None:
        raise LabError("training.kernels=liger: these kernels are for GPUs, and no CUDA GPU is visible; use torch")
    require_liger()
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN as KNOWN

    if family not in KNOWN:
        raise LabError(f"training.kernels=liger: Liger has no kernels for {family} models; use torch")
    return Choice(LIGER, "asked for: fused norms, rotary positions and gates; the loss stays ours")


def require_liger() -> None:
    """Raise LabError when Liger's package is not installed."""
    if find_spec("liger_kernel") is None:
        raise LabError("training.kernels=liger: the package is not installed: pip install -e '.[liger]', or use torch")


def use_liger(model: Any) -> None:
    """Put Liger's kernels into a model, adapter or not, in place.

    Rotary positions are changed for every model of its family in this process.
    """
    from transformers.integrations.liger import apply_liger_kernel

    apply_liger_kernel(model, OUR_LOSS)
