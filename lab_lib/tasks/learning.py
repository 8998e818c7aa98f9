"""What a run learns from: a task can draw its training items, and say what the examples of all steps contain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab_lib.prompts.encode import Example


class Learning:
    """The part of a task that supervised training uses; by default every training item is learned once an epoch."""

    def training_items(self, items: Sequence[Any], seed: int) -> Sequence[Any]:
        """Return the items of one epoch: `items`, all training items of the run, or what the task draws from them."""
        return items

    def learned_line(self, examples: Sequence[Example]) -> str | None:
        """Return one line about the examples of all steps, repetitions included; None if there is nothing to say."""
        return None
