"""The tokens whose logits `decoding.slot_bias` and `decoding.plan_bias` change."""

from __future__ import annotations

from typing import Any

from lab_lib.decoding.config import DecodeConfig
from lab_lib.prompts.text import text_ids


def opening_tokens(tokenizer: Any) -> list[int]:
    """Return the ids of the tokens that can open a placeholder after a word.

    Most tokenizers have tokens for ` [`, alone or with letters (` [name`). For a tokenizer that encodes the space
    before a bracket as a separate token (lab-tiny), the result is that space, which rarely occurs elsewhere.
    """
    first = text_ids(" [name]", tokenizer)[0]
    if not tokenizer.decode([first]).strip():
        return [first]
    texts = tokenizer.batch_decode([[i] for i in range(len(tokenizer))])
    return [i for i, text in enumerate(texts) if text.strip().startswith("[")]


def biases(config: DecodeConfig, tokenizer: Any) -> list[list[Any]]:
    """Return `slot_bias` and `plan_bias` in the format of transformers' `sequence_bias`: [[[token ids], bias], ...].

    For a word of several tokens, the bias is added to the last one if the other tokens precede it.
    """
    found: list[list[Any]] = []
    if config.slot_bias:
        found += [[[token], config.slot_bias] for token in opening_tokens(tokenizer)]
    for word, bias in config.plan_bias.items():
        ids = [tokenizer.eos_token_id] if word == "end" else list(text_ids(f" {word}", tokenizer))
        found.append([ids, float(bias)])
    return found
