"""Guidance: say more strongly what one prompt has and another lacks (Ho and Salimans 2022; text: Sanchez et al. 2023).

Two prompts are read at each step, with and without the request. With a the log probabilities behind the first and b
those behind the second, tokens are chosen by

    b + strength x (a - b)

1 is the prompt with the request alone; above 1 the request counts more, and the text gets worse in the end. Each step
costs two forward passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab_lib.errors import LabError
from lab_lib.prompts.encode import Prompt


def require_pairs(prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
    """Return the prompts without the request. Raises LabError for one that there is none of."""
    found = [prompt.unguided for prompt in prompts]
    if None in found:
        raise LabError("decoding.guidance needs prompts with a request, as those of the task emotion")
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
        """Return the guided scores (rows, vocabulary) behind what is written, of which the last tokens are new."""
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
