"""Which tokens are made likelier, for `decoding.slot_bias` and `decoding.plan_bias`."""

from __future__ import annotations

from typing import Any

from lab_lib.decoding.config import DecodeConfig
from lab_lib.prompts.text import text_ids


def opening_tokens(tokenizer: Any) -> list[int]:
    """Return the ids of the tokens that begin a placeholder after a word.

    Most tokenizers have tokens for ` [`, alone or with letters (` [name`); one that writes the space as a token of its
    own before a bracket (lab-tiny) gives that space, which stands before little else.
    """
    first = text_ids(" [name]", tokenizer)[0]
    if not tokenizer.decode([first]).strip():
        return [first]
    texts = tokenizer.batch_decode([[i] for i in range(len(tokenizer))])
    return [i for i, text in enumerate(texts) if text.strip().startswith("[")]


def biases(config: DecodeConfig, tokenizer: Any) -> list[list[Any]]:
    """Return `slot_bias` and `plan_bias` as transformers' `sequence_bias` wants them: [[[token ids], bias], ...].

    The bias of a word of several tokens is added to the last one, where the others stand before it.
    """
    found: list[list[Any]] = []
    if config.slot_bias:
        found += [[[token], config.slot_bias] for token in opening_tokens(tokenizer)]
    for word, bias in config.plan_bias.items():
        ids = [tokenizer.eos_token_id] if word == "end" else list(text_ids(f" {word}", tokenizer))
        found.append([ids, float(bias)])
    return found
