"""Merging an adapter into its base, so that the result is an ordinary model folder: W becomes W + s x B A."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from lab_lib.errors import LabError
from lab_lib.files import writing
from lab_lib.folders import apply_umask, folder_beside, sync
from lab_lib.models.checks import logits, require_adapter_effect
from lab_lib.models.config import ModelConfig
from lab_lib.models.hardware import Choice, Machine, torch_dtype
from lab_lib.models.model import Loaded, load_model

Precision = Literal["bf16", "fp16", "fp32"]
# Two fp32 computations of the same function differ in the order of their sums. One operation rounds by 2^-24 = 6e-8 of
# its value. After some thousand operations, whose errors mostly cancel, 1e-4 of the largest logit is ample.
SAME = 1e-4
PROBE = "user> hello , i need a cheap place to stay in the north , and a taxi .\nbot>"


@dataclass(frozen=True)
class Merge:
    """A merge that passed its checks; both figures are largest differences of logits on one text.

    `max_difference` compares the merged folder with base + adapter: the rounding to 16 bits. `effect` compares the base
    with base + adapter: the change that the adapter makes. `end_token` tells at which token the merged model ends a
    reply earlier than `lab decode`; None if both end at the same token.
    """

    folder: Path
    max_difference: float
    effect: float
    end_token: Choice | None = None


def merge_adapter(
    config: ModelConfig,
    adapter: str,
    out: str | Path,
    dtype: Precision = "bf16",
    input_ids: Sequence[int] | None = None,
    machine: Machine | None = None,
) -> Merge:
    """Merge `adapter` into the unquantised base of `config`, save model and tokenizer in `out`, reload and compare.

    The base is read in fp32 whatever `config.quantisation` says: an update rounded to 4-bit levels is mostly lost. An
    adapter trained on a 4-bit base was fitted to that base's rounding errors too, so scores may move slightly; the
    unmerged adapter stays the exact result. Needs 4 bytes of memory per weight, twice as much while comparing.

    Three checks use the fp32 logits of one text (`input_ids`, or a built-in short dialogue). Merged in fp32, the model
    has the logits of base + adapter. The weights read back from disk are those that were saved. Rounding to `dtype`
    changes no logit by more than half of the adapter's effect, which would otherwise be lost. Raises LabError and
    writes nothing to `out` if a check fails or if `out` exists; raises the errors of load_model too.
    """
    out = Path(out)
    if dtype not in get_args(Precision):
        raise LabError(f"merge: dtype {dtype!r}, expected one of {', '.join(get_args(Precision))}")
    if out.exists():
        raise LabError(f"{out}: exists already; choose a folder that does not")
    loaded = load_model(replace(config, quantisation="none", dtype="fp32", adapter=adapter), machine=machine)
    ids = list(input_ids or loaded.tokenizer(PROBE)["input_ids"])
    effect = require_adapter_effect(loaded.model, ids)
    wanted = logits(loaded.model, ids)
    merged = _merged(loaded.model)
    _require_same(logits(merged, ids), wanted)
    with folder_beside(out) as temporary:
        with writing(out):
            _save(merged.to(torch_dtype(dtype)), loaded, temporary)
        read = load_model(ModelConfig(str(temporary), quantisation="none", dtype="fp32"), machine=machine).model
        _require_saved(merged, read)
        difference = (logits(read, ids) - wanted).abs().max().item()
        _require_small(difference, effect, dtype)
        with writing(out):
            os.replace(temporary, out)
    return Merge(out, difference, effect, loaded.choices.get("end token"))


def _merged(adapted: Any) -> Any:
    """Return the model with the adapter merged into its weights; tied embeddings stay one matrix.

    PEFT keeps one copy of the trained embeddings for the input and one for the output layer, unties the config and
    warns. Equal values show that they were one matrix; the config does not: a Flan-T5's says tied, but it has two.
    """
    import torch

    tied = adapted.get_base_model().config.tie_word_embeddings
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Input and output embeddings are no longer tied")
        merged = adapted.merge_and_unload(safe_merge=True)
    vectors, output = merged.get_input_embeddings(), merged.get_output_embeddings()
    if tied and torch.equal(vectors.weight, output.weight):
        merged.config.tie_word_embeddings = True
        output.weight = vectors.weight
    return merged


def _require_same(got: Any, wanted: Any) -> None:
    """Raise LabError unless the logits merged in fp32 are those of base + adapter, to SAME of the largest one."""
    difference, limit = (got - wanted).abs().max().item(), SAME * wanted.abs().max().item()
    if not difference <= limit:
        raise LabError(
            f"merge: merging changed the model: a logit differs by {difference:.3g}, rounding explains {limit:.3g}"
        )


def _require_saved(saved: Any, read: Any) -> None:
    """Raise LabError unless every weight read back (as fp32) has the value that was saved."""
    import torch

    weights = read.state_dict()
    for name, value in saved.state_dict().items():
        if not torch.equal(value.float(), weights[name]):
            raise LabError(f"merge: {name} on disk is not what was saved")


def _require_small(difference: float, effect: float, dtype: str) -> None:
    """Raise LabError unless rounding to `dtype` moved the logits by less than half of what the adapter does."""
    if not difference <= effect / 2:
        raise LabError(
            f"merge: rounding to {dtype} moves a logit by {difference:.3g}, the adapter by {effect:.3g}: "
            "it would be lost; merge with a finer dtype (fp16, fp32)"
        )


def _save(model: Any, loaded: Loaded, folder: Path) -> None:
    """Write the model and the base's tokenizer, with the padding token that we chose."""
    model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    apply_umask(folder)
    sync(folder)
