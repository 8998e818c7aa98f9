"""Fused kernels on a GPU (`training.kernels=liger`): Liger's RMSNorm, rotary positions and feed-forward gate.

Each kernel is one pass over memory, forward and backward; PyTorch makes several passes and keeps intermediate values.
Liger's loss is not used: ours computes logits at supervised positions only. These kernels have not run on a GPU here;
docs/lab-log.md says what was compared instead.
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
    return Choice(LIGER, "as configured: fused norms, rotary positions and gates; the loss is our own")


def require_liger() -> None:
    """Raise LabError when Liger's package is not installed."""
    if find_spec("liger_kernel") is None:
        raise LabError("training.kernels=liger: the package is not installed: pip install -e '.[liger]', or use torch")


def use_liger(model: Any) -> None:
    """Put Liger's kernels into a model, with or without adapter, in place.

    The kernel for rotary positions changes for every model of this family in the process.
    """
    from transformers.integrations.liger import apply_liger_kernel

    apply_liger_kernel(model, OUR_LOSS)
