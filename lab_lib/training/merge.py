"""Merging an adapter into its base, so that the result is an ordinary model folder: W becomes W + s x B A."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lab_lib.errors import LabError
from lab_lib.training.checks import logits, require_adapter_effect
from lab_lib.training.hardware import Machine, torch_dtype
from lab_lib.training.model import Loaded, ModelConfig, load_model

# Numbers with p significant bits round by at most u = 2^-p of their value: bf16 has 8, fp16 11, fp32 24.
ROUNDING = {"bf16": 2.0**-8, "fp16": 2.0**-11, "fp32": 2.0**-24}
PROBE = "user> hello , i need a cheap place to stay in the north , and a taxi .\nbot>"


@dataclass(frozen=True)
class Merge:
    """A merge that passed its check: differences are of logits, `effect` is what the adapter changes."""

    folder: Path
    max_difference: float
    tolerance: float
    effect: float


def merge_adapter(
    config: ModelConfig,
    adapter: str,
    out: str | Path,
    dtype: Literal["bf16", "fp16", "fp32"] = "bf16",
    input_ids: list[int] | None = None,
    machine: Machine | None = None,
) -> Merge:
    """Merge `adapter` into the unquantised base of `config`, save model and tokenizer in `out`, reload and compare.

    The base is read in fp32 whatever `config.quantisation` says: an update rounded to 4-bit levels is mostly lost.
    An adapter trained on a 4-bit base was fitted to that base's rounding errors too, so scores may move slightly;
    the unmerged adapter stays the exact result. Needs 4 bytes of memory a weight, twice while comparing.

    The check compares the reloaded model with base + adapter, both computed in fp32, on one text (`input_ids`, or
    a short dialogue of ours). It fails when a logit moved by more than `tolerance`, and when it moved by more than
    half of what the adapter changes at all: then the adapter drowned in the rounding of `dtype`.
    Raises LabError, leaving nothing at `out`, for that, for an `out` that is there already, and as load_model does.
    """
    out = Path(out)
    if dtype not in ROUNDING:
        raise LabError(f"merge: dtype {dtype!r}, expected one of {', '.join(ROUNDING)}")
    if out.exists():
        raise LabError(f"{out}: exists already; choose a folder that does not")
    base = replace(config, quantisation="none", dtype="fp32", adapter=adapter)
    loaded = load_model(base, machine=machine)
    ids = input_ids or loaded.tokenizer(PROBE)["input_ids"]
    effect = require_adapter_effect(loaded.model, ids)
    wanted = logits(loaded.model, ids)
    merged = loaded.model.merge_and_unload(safe_merge=True).to(torch_dtype(dtype))
    temporary = _temporary_beside(out)
    try:
        _save(merged, loaded, temporary)
        del merged
        result = _compare(temporary, wanted, ids, dtype, effect, machine)
        os.replace(temporary, out)
    except OSError as error:
        raise LabError(f"{out}: cannot write: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return replace(result, folder=out)


def _temporary_beside(out: Path) -> Path:
    """Return a new empty folder beside `out`, on the same disk, so that renaming it is atomic."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=".tmp"))
        folder.chmod(0o777 & ~_umask())  # mkdtemp makes folders private
        return folder
    except OSError as error:
        raise LabError(f"{out}: cannot write: {error.strerror}") from None


def _umask() -> int:
    """Return the process's umask (the only way to read it is to set it)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _save(model: Any, loaded: Loaded, folder: Path) -> None:
    """Write model and tokenizer; the tokenizer is the one of the base, with the padding token we chose."""
    model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)


def _compare(
    folder: Path, wanted: Any, ids: list[int], dtype: str, effect: float, machine: Machine | None
) -> Merge:
    """Load the merged folder as anybody would, to compute in fp32, and compare with base + adapter."""
    model = load_model(ModelConfig(str(folder), quantisation="none", dtype="fp32"), machine=machine).model
    difference = (logits(model, ids) - wanted).abs().max().item()
    limit = tolerance(dtype, wanted)
    if not difference <= limit:
        raise LabError(f"merge: the merged model's logits are off by {difference:.3g}, at most {limit:.3g} is rounding")
    if not difference <= effect / 2:
        raise LabError(
            f"merge: rounding to {dtype} moves logits by {difference:.3g}, the adapter itself by {effect:.3g}: "
            "it would be lost; merge with dtype fp32"
        )
    return Merge(folder, difference, limit, effect)


def tolerance(dtype: str, wanted: Any) -> float:
    """Return how far rounding the weights to `dtype` may move a logit.

    A logit is a sum of products w x, and each w is off by at most u |w|, each x by what the layers before did.
    Errors of independent signs grow with the square root of their number, so relative to the largest logit one
    expects about u x sqrt(layers) = 2^-8 x sqrt(2 x 32) = 3 % for bf16 and 32 blocks; we allow 16 u (6 % for bf16,
    0.8 % for fp16), and for fp32 1e-4, the spread between two orders of summation.
    """
    return max(16 * ROUNDING[dtype], 1e-4) * wanted.abs().max().item()
