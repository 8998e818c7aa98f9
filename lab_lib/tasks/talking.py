"""What a task says in a conversation with a person beside its prompts; by default nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from lab_lib.errors import LabError


@dataclass(frozen=True)
class Fact:
    """Something that is shown beside a reply; `right` says whether it is as was asked for, None that nobody asked."""

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
    """The part of a task that `lab chat` asks about choices, and about facts on replies."""

    name: ClassVar[str]
    chosen: str = ""  # which of `choices` the replies to come shall be

    def chat_notes(self) -> Sequence[str]:
        """Return what a person should know before the first answer: what the model misses in a conversation."""
        return ()

    def choose(self, choice: str) -> None:
        """Let the replies to come be what a person asks for, one of `choices`."""
        raise LabError(f"task {self.name}: there is nothing to choose for its replies")

    def chat_facts(self, item: Any, reply: str) -> Sequence[Fact]:
        """Return what a person may want to know of a reply to an item."""
        return ()

    def answered(self, item: Any) -> None:
        """Keep what later turns need of an item that has its reply now."""
