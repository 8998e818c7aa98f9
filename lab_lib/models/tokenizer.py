"""The tokenizer of a base model, with a padding token: its own, a spare one, or the end token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lab_lib.errors import LabError
from lab_lib.models.hardware import Choice
from lab_lib.models.hub import Source

# The byte 0xFF, which no UTF-8 text contains, as byte-level vocabularies (GPT-2 and its kin) write it.
NEVER_IN_TEXT = "ÿ"
# Spare tokens of vocabularies, the best first: a padding token that was not declared (<|padding|> of Pythia,
# <|finetune_right_pad_id|> of Llama 3), then reserved and unused ones, then unk, then the end of a pretraining document
# where turns end with another token (SmolLM2).
SPARE = (
    *(r"pad", r"reserved|unused|extra_id|extra_\d", r"^(<unk>|\[UNK\]|<\|unk\|>|unk)$"),
    r"^<\|end_?of_?text\|>$",
)


def load_tokenizer(source: Source, trust_remote_code: bool = False) -> tuple[Any, Choice]:
    """Return (tokenizer padding on the left, how its padding token was chosen).

    Padding on the left keeps the last token of every prompt next to the first one generated. No token is added here
    (see `add_tokens`), so embeddings are not resized. Raises LabError when the files cannot be read or when there is no
    end token.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source.tokenizer, trust_remote_code=trust_remote_code)
    except Exception as error:  # a damaged tokenizer file raises whatever its parser raises
        line = str(error).strip().split("\n")[0]
        raise LabError(f"{source.name}: cannot load the tokenizer: {line}") from error
    if tokenizer.eos_token_id is None:
        raise LabError(f"{source.name}: the tokenizer has no end-of-sequence token, so a reply could never end")
    tokenizer.padding_side = "left"
    return tokenizer, choose_pad(tokenizer)


def choose_pad(tokenizer: Any) -> Choice:
    """Make sure that the tokenizer has a padding token; return which it is and why.

    Loss, attention and answers are masked by position, so any token works here. A collator that masks by token would
    mask the end of every reply if that token were EOS, and the model would never learn to stop. Other people may train
    our saved models with such code, so a spare token of the vocabulary is preferred to EOS.
    """
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id != tokenizer.eos_token_id:
        return Choice(tokenizer.pad_token, "the tokenizer's own padding token")
    why = "pad was EOS" if tokenizer.pad_token_id is not None else "the tokenizer has no padding token"
    spare = spare_tokens(tokenizer)
    if not spare:
        tokenizer.pad_token = tokenizer.eos_token
        return Choice(tokenizer.eos_token, f"{why}, and no spare token in the vocabulary: EOS pads, masked by position")
    tokenizer.pad_token = spare[0]
    return Choice(spare[0], f"{why}; this token of the vocabulary is unused, so no embedding is added")


def add_tokens(model: Any, tokenizer: Any, tokens: Sequence[str]) -> None:
    """Add special tokens to tokenizer and model; their vectors start as the mean of the old ones on every machine.

    Raises LabError for a token that the vocabulary already has.
    """
    import torch

    known = tokenizer.get_vocab()
    for token in tokens:
        if not token.strip() or token in known:
            raise LabError(f"model.added_tokens: {token!r} is {'empty' if not token.strip() else 'in the vocabulary'}")
    old = len(tokenizer)
    tokenizer.add_tokens(list(tokens), special_tokens=True)
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            if layer is not None:
                layer.weight[old : len(tokenizer)] = layer.weight[:old].float().mean(dim=0).to(layer.weight.dtype)


def spare_tokens(tokenizer: Any) -> list[str]:
    """Return tokens of the vocabulary that can be padding, best first: special, not EOS or BOS; or an unused byte."""
    taken = {tokenizer.eos_token, tokenizer.bos_token}
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    special |= {token for token in (tokenizer.unk_token,) if token}
    vocabulary = tokenizer.get_vocab()
    free = sorted((token for token in special - taken if token in vocabulary), key=vocabulary.__getitem__)
    spare = [token for pattern in SPARE for token in free if re.search(pattern, token, re.IGNORECASE)]
    # GPT-2 has one special token, its EOS. In a vocabulary that is not byte-level this letter would be an ordinary one.
    byte = NEVER_IN_TEXT in vocabulary and tokenizer.convert_tokens_to_string([NEVER_IN_TEXT]) == "\ufffd"
    return spare or ([NEVER_IN_TEXT] if byte else [])
