"""Text to token ids, so that words that look like control tokens stay words.

A tokenizer reads `</s>` or `<|im_end|>` as its control token wherever it stands, in what a user said too: a corpus or a
person in a chat could end the answer or begin a turn. `text_ids` is for all text that is not written by a template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

from lab_lib.errors import LabError, shown


def text_ids(text: str, tokenizer: Any) -> tuple[int, ...]:
    """Return the token ids of some text, without control tokens whatever it says.

    Text without such words gets the ids that the tokenizer gives it. Raises LabError when the tokenizer cannot write a
    control token's name as text.
    """
    ids, control = template_ids(text, tokenizer), control_tokens(tokenizer)
    if control.keys().isdisjoint(ids):
        return ids
    # The unknown token is what some tokenizers give for symbols that they lack.
    unknown = {tokenizer.unk_token_id} - {tokenizer.eos_token_id, tokenizer.bos_token_id}
    for broken in (None, re.compile("|".join(re.escape(token) for token in control.values()))):
        ids = _without_added_tokens(text, tokenizer, broken)
        if not (found := control.keys() & set(ids) - unknown):
            return ids
    raise LabError(f"this tokenizer cannot read {control[min(found)]!r} as text: {shown(text)}")


def template_ids(text: str, tokenizer: Any) -> tuple[int, ...]:
    """Return the token ids of text that a template wrote: control tokens are what they say."""
    return _encoded(text, tokenizer) if text else ()


def _encoded(text: str, tokenizer: Any, **options: Any) -> tuple[int, ...]:
    """Return the token ids of some text. Raises LabError, showing it, when the tokenizer cannot encode it."""
    try:
        return tuple(tokenizer(text, add_special_tokens=False, **options)["input_ids"])
    except Exception as error:  # the libraries raise TypeError, UnicodeEncodeError or plain Exception
        line = str(error).strip().split("\n")[0]
        raise LabError(f"the tokenizer cannot encode {shown(text)}: {line}") from None


def control_tokens(tokenizer: Any) -> Mapping[int, str]:
    """Return {id: token} of the tokens that no text may become.

    These are the special tokens, and added tokens that the chat template writes (`<tool_call>`). White space that a
    vocabulary has as an added token is text.
    """
    return _control_tokens(tokenizer, str(tokenizer.chat_template or ""))


@lru_cache(maxsize=8)
def _control_tokens(tokenizer: Any, template: str) -> Mapping[int, str]:
    special = dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    added = {
        id: str(token)
        for id, token in tokenizer.added_tokens_decoder.items()
        if token.special or (str(token) in template and not str(token).isspace())
    }
    return special | added


def _without_added_tokens(text: str, tokenizer: Any, broken: re.Pattern[str] | None) -> tuple[int, ...]:
    """Tokenise as if the vocabulary had no added tokens: normalise, split into words, look these up.

    Some vocabularies have control tokens among their words (T5): with `broken` what it finds is no word, but its first
    symbol and the rest.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:  # tokenizers in Python
        return _encoded(text, tokenizer, split_special_tokens=True)
    if backend.normalizer is not None:
        text = backend.normalizer.normalize_str(text)
    words = [text]
    if backend.pre_tokenizer is not None:
        words = [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(text)]
    if broken is not None:
        words = [part for word in words for part in _parts(word, broken)]
    return tuple(token.id for word in words for token in backend.model.tokenize(word))


def _parts(word: str, broken: re.Pattern[str]) -> list[str]:
    """Cut a word behind the first symbol of everything that `broken` finds in it.

    >>> _parts("a</s>b", re.compile("</s>"))
    ['a<', '/s>b']
    """
    cuts = [0, *(found.start() + 1 for found in broken.finditer(word)), len(word)]
    return [word[start:end] for start, end in pairwise(cuts) if start < end]
