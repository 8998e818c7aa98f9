"""What a task says about preferences: which of two answers is the better one, and the pairs to learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lab_lib.errors import LabError

if TYPE_CHECKING:
    from lab_lib.training.preferences import Preference


class Preferring:
    """The part of a task that training.objective=dpo and `lab pairs` ask; by default there are no preferences."""

    name: ClassVar[str]

    def preferences(self, item: Any, tokenizer: Any) -> list[Preference]:
        """Return the preference pairs of an item."""
        return []

    def rewards(self, item: Any, answers: Sequence[Mapping[str, Any]]) -> list[float]:
        """Return how good answers to prompts of an item are; each has its `response` and the facts of its prompt."""
        raise LabError(f"task {self.name}: nothing says which of two answers is the better one")

    def reward(self, item: Any, answers: Sequence[Mapping[str, Any]]) -> float:
        """Return how good all answers of an item are together, where single ones have no reward."""
        raise LabError(f"task {self.name}: nothing says how good the answers of an item are")

    def check_preferences(self) -> None:
        """Raise LabError for pairs that there are not. Called before any weight is loaded."""

    @property
    def rewards_whole(self) -> bool:
        """Whether only all answers of an item together have a reward."""
        return type(self).reward is not Preferring.reward

    @property
    def prefers(self) -> bool:
        """Whether `preferences` gives anything."""
        return type(self).preferences is not Preferring.preferences
