"""A task's additions to a conversation with a person; by default none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from lab_lib.errors import LabError


@dataclass(frozen=True)
class Fact:
    """A fact shown with a reply; `right` tells whether it is as requested, None that nothing was requested."""

    name: str
    text: str
    right: bool | None = None

    def __str__(self) -> str:
        """Return it as one part of a line.

        >>> str(Fact("judge tfidf", "fear (60%)", True)), str(Fact("you", "neutral"))
        ('judge tfidf: fear (60%) ✓', 'you: neutral')
        """
        return f"{self.name}: {self.text}" + {True: " ✓", False: " ✗", None: ""}[self.right]


class Talking:
    """The part of a task that `lab chat` uses for choices and for facts about replies."""

    name: ClassVar[str]
    chosen: str = ""  # which of `choices` the next replies shall have

    def chat_notes(self) -> Sequence[str]:
        """Return notes to show before the first answer: the limits of the model in a conversation."""
        return ()

    def choose(self, choice: str) -> None:
        """Set the property of the next replies, one of `choices`."""
        raise LabError(f"task {self.name}: its replies have no choices")

    def chat_facts(self, item: Any, reply: str) -> Sequence[Fact]:
        """Return facts about a reply to an item for the person."""
        return ()

    def answered(self, item: Any) -> None:
        """Store what later turns need from an item that now has its reply."""
