"""Translate a DecodeConfig to the settings of transformers' generate()."""

from __future__ import annotations

from typing import Any

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.logit_bias import biases


def library_beams(config: DecodeConfig) -> bool:
    """Return whether transformers runs a config's beam search; we implement diverse beams and beam sampling."""
    return config.beams > 1 and config.beam_groups == 1 and not config.sample


def generation_config(config: DecodeConfig, tokenizer: Any) -> Any:
    """Return the complete transformers GenerationConfig; no value comes from the checkpoint's defaults.

    EOS and pad are always set (the 2023 lab left them out, so that no reply ever stopped early).
    """
    from transformers import GenerationConfig

    beams = library_beams(config)
    knobs: dict[str, Any] = {
        # `sampling.py` samples with noise that depends on the item, not on the batch.
        "do_sample": False,
        "num_beams": config.beams if beams else 1,
        "repetition_penalty": config.repetition_penalty,
        "no_repeat_ngram_size": config.no_repeat_ngram,
        "max_new_tokens": config.max_new_tokens,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "use_cache": True,
    }
    if bias := biases(config, tokenizer):
        knobs["sequence_bias"] = bias
    if config.min_new_tokens:
        knobs["min_new_tokens"] = config.min_new_tokens
    if beams:
        knobs |= {"length_penalty": config.length_penalty, "early_stopping": True}
    if config.prompt_lookup:
        knobs["prompt_lookup_num_tokens"] = config.prompt_lookup
    return GenerationConfig(**knobs)
