"""Constrained decoding: a logits mask that leaves only the tokens that a prompt's constraint allows next.

The mask comes after biases and penalties (`repetition_penalty`, `no_repeat_ngram`, `min_new_tokens`) and before
temperature, top-k, top-p and the noise of sampling: an answer is drawn from the model's probabilities renormalised over
the allowed tokens. Beam search looks for the likeliest of the allowed answers, by the model's own log-probabilities,
which are not renormalised.

EOS is a token like any other: an answer can end only where its constraint allows EOS. If the penalties forbid every
allowed token (with `min_new_tokens`, where only EOS may follow), the constraint has priority: the allowed tokens count
as equally likely.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from lab_lib.decoding.token_set import TokenSet
from lab_lib.errors import LabError
from lab_lib.prompts.encode import Prompt

KEPT_SETS = 64
Answer = tuple[int, ...]
Allowed = dict[Answer, Collection[int] | None]  # answer so far -> the ids that may follow; None: all


def constraint_masks(prompts: Sequence[Prompt], start: int, tokenizer: Any, distinct: bool = False) -> list[Any]:
    """Return the mask of a batch as a list of one logits processor; an empty list if no prompt has a constraint."""
    constrained = any(prompt.constraint is not None for prompt in prompts)
    return [ConstraintMask(prompts, start, tokenizer, distinct)] if constrained else []


class ConstraintMask:
    """A logits processor for a batch of prompts, each with its own constraint or none; a prompt has one row per beam.

    Answers begin at column `start` of the ids. `distinct` means that beams with equal answers are copies, of which only
    the first may continue: the beam search of transformers starts with copies.
    """

    def __init__(self, prompts: Sequence[Prompt], start: int, tokenizer: Any, distinct: bool):
        self.prompts, self.start, self.tokenizer, self.distinct = list(prompts), start, tokenizer, distinct
        self.allowed: list[Allowed] = [{} for _ in prompts]  # at the last step
        self.tensors: dict[frozenset[int], Any] = {}  # caches the conversion of a frozenset that is returned repeatedly

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Return the scores (rows, vocabulary) with -inf for forbidden tokens; rows without constraint do not change.

        Raises LabError when a constraint allows no token of the vocabulary.
        """
        scores, beams = scores.clone(), len(input_ids) // len(self.prompts)
        answers = [tuple(ids) for ids in input_ids[:, self.start :].tolist()]
        for number, prompt in enumerate(self.prompts):
            if prompt.constraint is not None:
                rows = slice(number * beams, (number + 1) * beams)
                self.allowed[number] = self._mask(prompt, self.allowed[number], answers[rows], scores[rows])
        return scores

    def _mask(self, prompt: Prompt, before: Allowed, answers: Sequence[Answer], scores: Any) -> Allowed:
        """Mask the rows of one prompt in place; return the allowed ids of each answer. `before` is the previous
        result."""
        assert prompt.constraint is not None
        allowed: Allowed = {}
        for answer, row in zip(answers, scores, strict=True):
            if self._is_over(answer, before) or (self.distinct and answer in allowed):
                if len(answers) > 1:  # a beam that cannot continue; a single row that has ended is ignored
                    row.fill_(-math.inf)
                continue
            if answer not in allowed:
                allowed[answer] = prompt.constraint.allowed(answer)
            if (tokens := allowed[answer]) is not None and not self._keep(tokens, row):
                raise self._refusal(prompt, answer)
        return allowed

    def _keep(self, tokens: Collection[int], row: Any) -> bool:
        """Mask a row in place; return whether any allowed token is in the vocabulary."""
        if isinstance(tokens, TokenSet):
            return keep_masked(row, tokens.mask())
        ids = self._tensor(tokens, row)
        if len(ids):
            keep_only(row, ids)
        return bool(len(ids))

    def _is_over(self, answer: Answer, before: Allowed) -> bool:
        """Return whether an answer has ended, or belongs to a beam without allowed tokens."""
        if not answer or self.tokenizer.eos_token_id in answer:
            return bool(answer)
        if answer[:-1] not in before:
            return True
        tokens = before[answer[:-1]]
        return tokens is not None and answer[-1] not in tokens

    def _tensor(self, tokens: Collection[int], row: Any) -> Any:
        """Return the ids that are in the vocabulary, each once."""
        import torch

        if isinstance(tokens, frozenset) and tokens in self.tensors:
            return self.tensors[tokens]
        known = [token for token in dict.fromkeys(tokens) if 0 <= token < len(row)]
        ids = torch.tensor(known, dtype=torch.long, device=row.device)
        if isinstance(tokens, frozenset):
            if len(self.tensors) == KEPT_SETS:
                self.tensors.clear()
            self.tensors[tokens] = ids
        return ids

    def _refusal(self, prompt: Prompt, answer: Answer) -> LabError:
        text = f"{self.tokenizer.decode(answer)!r} (ids {list(answer)})" if answer else "the prompt"
        place = f"{prompt.key}, {prompt.asks} {prompt.turn}"
        return LabError(f"{place}: the constraint allows no token of the vocabulary after {text}")

    def keep(self, rows: Sequence[int]) -> None:
        """Continue with some of the prompts only, in the order given."""
        self.prompts = [self.prompts[row] for row in rows]
        self.allowed = [self.allowed[row] for row in rows]


def keep_only(row: Any, ids: Any) -> None:
    """Set a row of scores to -inf except at `ids`, in place; if these are all -inf, make them equally likely."""
    kept = row[ids]
    row.fill_(-math.inf)
    row[ids] = kept if kept.max() > -math.inf else kept.new_full(kept.shape, -math.log(len(ids)))


def keep_masked(row: Any, mask: Any) -> bool:
    """Same as `keep_only` for a boolean array, which may be shorter than the row of scores.

    Return whether anything is allowed.
    """
    import numpy as np
    import torch

    forbidden = np.ones(len(row), dtype=bool)  # scores beyond the vocabulary belong to no token
    np.logical_not(mask[: len(row)], out=forbidden[: len(mask)])
    if row.device.type == "cpu" and row.dtype == torch.float32:
        # A view of the same memory: for one row, torch would start its threads for every operation.
        np.copyto(row.numpy(), -math.inf, where=forbidden)
        highest = row.numpy().max()
    else:
        row.masked_fill_(torch.from_numpy(forbidden).to(row.device), -math.inf)
        highest = row.max()
    if highest == -math.inf and not forbidden.all():
        allowed = np.flatnonzero(~forbidden)
        row[torch.from_numpy(allowed).to(row.device)] = -math.log(len(allowed))
    return not forbidden.all()
