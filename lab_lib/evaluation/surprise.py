"""The log probability of the reference answers under a model, measured before it decodes, for the perplexity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.evaluation.perplexity import model_log_probs
from lab_lib.prompts.encode import Example


def reference_surprise(examples: Mapping[str, Sequence[Example]], loaded: Any) -> dict[str, tuple[float, int]]:
    """Return {item key: (minus log probability in nats, tokens)} of the supervised tokens of each item's examples.

    EOS is included; each token is conditioned on all previous ones.
    """
    from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
    from lab_lib.models.hardware import autocast

    found = {}
    with merged_for_decoding(loaded.model, exact=False), autocast(loaded.device, loaded.dtype):
        log_probs = model_log_probs(loaded.model)
        for key, parts in examples.items():
            total, tokens = 0.0, 0
            for example in parts:
                values = log_probs(example.ids)[list(example.loss_mask[1:])]
                total, tokens = total - float(values.sum()), tokens + len(values)
            found[key] = (round(total, 4), tokens)
    return found
