"""Preferences of a task: which of two answers is better, and the pairs for training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lab_lib.errors import LabError

if TYPE_CHECKING:
    from lab_lib.training.preferences import Preference


class Preferring:
    """The part of a task that training.objective=dpo and `lab pairs` use; by default there are no preferences."""

    name: ClassVar[str]

    @property
    def given_pairs(self) -> Mapping[str, Sequence[Any]]:
        """{item key: its pairs} of the file `task.pairs`."""
        return {}

    def preferences(self, item: Any, tokenizer: Any) -> list[Preference]:
        """Return the preference pairs of an item."""
        return []

    def rewards(self, item: Any, answers: Sequence[Mapping[str, Any]]) -> list[float]:
        """Return the rewards of answers to prompts of an item; each answer has its `response` and the facts of its
        prompt."""
        raise LabError(f"task {self.name}: no reward is defined for single answers")

    def reward(self, item: Any, answers: Sequence[Mapping[str, Any]]) -> float:
        """Return the joint reward of all answers of an item, for tasks in which single answers have no reward."""
        raise LabError(f"task {self.name}: no reward is defined for the answers of an item")

    def check_preferences(self) -> None:
        """Raise LabError for missing pairs. Called before any weight is loaded."""

    def reward_origin(self) -> Mapping[str, Any]:
        """Return the parts of the reward, for the file beside the pairs: its weights, and the judge with its hash."""
        return {}

    def left_out_pairs(self, items: Iterable[Any]) -> str | None:
        """Return one line about given pairs of other items than these, which nothing is learned from; None if none."""
        known = {item.key for item in items}
        lost = {key: len(pairs) for key, pairs in self.given_pairs.items() if key not in known}
        if not lost:
            return None
        first = next(iter(lost))
        return f"left out {sum(lost.values())} pairs of items that this run does not learn from (the first: {first})"

    @property
    def rewards_whole(self) -> bool:
        """Whether the reward exists only for all answers of an item together."""
        return type(self).reward is not Preferring.reward

    @property
    def prefers(self) -> bool:
        """Whether the task overrides `preferences`."""
        return type(self).preferences is not Preferring.preferences
