"""Guidance: strengthen the request of a prompt (Ho and Salimans 2022; for text: Sanchez et al. 2023).

Each step reads two prompts, with and without the request. Let a be the log probabilities after the first and b those
after the second. Tokens are chosen by

    b + strength x (a - b)

Strength 1 is the prompt with the request. Values above 1 give the request more weight; large values make the text
worse. Each step costs two forward passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab_lib.errors import LabError
from lab_lib.prompts.encode import Prompt


def require_pairs(prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
    """Return the prompts without the request. Raises LabError for a prompt that has no request."""
    found = [prompt.unguided for prompt in prompts]
    if None in found:
        raise LabError("decoding.guidance needs prompts with a request, such as those of the task emotion")
    return [ids for ids in found if ids is not None]


class Guidance:
    """A logits processor of transformers' generate(), for one batch; it reads the other prompts with its own cache.

    `ids` and `mask` are these prompts, padded on the left, as tensors (rows, tokens).
    """

    def __init__(self, model: Any, ids: Any, mask: Any, strength: float) -> None:
        self.model, self.mask, self.strength = model, mask, strength
        self.next = ids
        self.cache: Any = None

    def __call__(self, written: Any, scores: Any) -> Any:
        """Return the guided scores (rows, vocabulary) after the answers so far, whose last tokens are new."""
        import torch

        if self.cache is not None:
            self.next = written[:, -1:]
            self.mask = torch.cat([self.mask, torch.ones_like(self.next)], dim=1)
        places = (self.mask.cumsum(dim=1) - 1).clamp(min=0)[:, -self.next.shape[1] :]
        with torch.inference_mode():
            found = self.model(
                input_ids=self.next, attention_mask=self.mask, position_ids=places, past_key_values=self.cache,
                use_cache=True,
            )  # fmt: skip
        self.cache = found.past_key_values
        told, untold = (one.float().log_softmax(dim=-1) for one in (scores, found.logits[:, -1]))
        return untold + self.strength * (told - untold)
