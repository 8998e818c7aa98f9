"""Which tokens open a placeholder such as `[name]`, for `decoding.slot_bias`."""

from __future__ import annotations

from typing import Any

from lab_lib.decoding.config import DecodeConfig


def opening_tokens(tokenizer: Any) -> list[int]:
    """Return the ids of the tokens that begin a placeholder after a word.

    Most tokenizers have tokens for ` [`, alone or with letters (` [name`); one that writes the space as a token of its
    own before a bracket (lab-tiny) gives that space, which stands before little else.
    """
    first = tokenizer(" [name]", add_special_tokens=False)["input_ids"][0]
    if not tokenizer.decode([first]).strip():
        return [first]
    texts = tokenizer.batch_decode([[i] for i in range(len(tokenizer))])
    return [i for i, text in enumerate(texts) if text.strip().startswith("[")]


def slot_bias(config: DecodeConfig, tokenizer: Any) -> list[list[Any]] | None:
    """Return the bias as transformers' `sequence_bias` wants it: [[[token id], bias], ...]; None for no bias."""
    if not config.slot_bias:
        return None
    return [[[token], config.slot_bias] for token in opening_tokens(tokenizer)]
