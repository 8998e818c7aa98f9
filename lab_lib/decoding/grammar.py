"""Constrained decoding by a grammar: llguidance computes which tokens may follow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from lab_lib.decoding.token_set import TokenSet
from lab_lib.errors import LabError

PACKAGE = "llguidance"


def require_llguidance(asked: str) -> None:
    """Raise LabError where the package is not installed; `asked` is the setting that needs it. Imports nothing."""
    if find_spec(PACKAGE) is None:
        raise LabError(f"{asked}: the package {PACKAGE} is not installed: pip install -e '.[constrained]'")


class Grammar:
    """A grammar in Lark syntax, compiled for one tokenizer (takes milliseconds); each answer has its own parser
    state."""

    def __init__(self, lark: str, tokenizer: Any) -> None:
        """Raise LabError for a grammar that cannot be compiled, and for a tokenizer that is not a fast one."""
        from llguidance import LLMatcher

        self.tokens = _tokens(tokenizer, tokenizer.eos_token_id)
        if self.tokens.eos_token != tokenizer.eos_token_id:
            raise LabError(f"the grammar would stop at token {self.tokens.eos_token}, not at EOS")
        self.start = LLMatcher(self.tokens, LLMatcher.grammar_from_lark(lark))
        if self.start.is_error():
            raise LabError(f"the grammar cannot be compiled: {_first_line(self.start.get_error())}")

    def constraint(self) -> GrammarConstraint:
        """Return the constraint of one prompt."""
        return GrammarConstraint(self.start.deep_copy(), self.tokens.vocab_size)


class GrammarConstraint:
    """The parser state after an answer; for another answer it rolls back to their common beginning."""

    def __init__(self, matcher: Any, size: int) -> None:
        self.matcher, self.size = matcher, size
        self.read: list[int] = []

    def allowed(self, answer: Sequence[int]) -> TokenSet:
        """Return the ids that may follow the answer so far; for a complete text EOS is among them or the only one.

        Raises LabError for an answer that the grammar does not accept as the beginning of a text.
        """
        differs = (place for place, pair in enumerate(zip(self.read, answer, strict=False)) if pair[0] != pair[1])
        common = next(differs, min(len(self.read), len(answer)))
        if common < len(self.read):
            self.matcher.rollback(len(self.read) - common)
        new = list(answer[common:])
        self.read = list(answer)
        if (new and not self.matcher.consume_tokens(new)) or self.matcher.is_error():
            raise LabError(f"the grammar does not accept this answer: {_first_line(self.matcher.get_error())}")
        words = np.frombuffer(self.matcher.compute_bitmask(), dtype=np.uint32)
        return TokenSet(words, self.size)


@lru_cache(maxsize=8)
def _tokens(tokenizer: Any, eos: int) -> Any:
    """Return llguidance's tokenizer. `eos` is part of the cache key, because chat templates may set another EOS."""
    from llguidance.hf import from_tokenizer
    from transformers import PreTrainedTokenizerFast

    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        kind = type(tokenizer).__name__
        raise LabError(f"constrained decoding needs a tokenizer of the tokenizers library, and {kind} is not one")
    return from_tokenizer(tokenizer, n_vocab=len(tokenizer), eos_token=eos)


def token_bytes(ids: Sequence[int], tokenizer: Any) -> bytes:
    """Return the bytes of some tokens, as the grammar reads them."""
    return bytes(_tokens(tokenizer, tokenizer.eos_token_id).decode_bytes(list(ids)))


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0][:200]
