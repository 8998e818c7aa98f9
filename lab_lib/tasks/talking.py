"""What a task says in a conversation with a person beside its prompts; by default nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from lab_lib.errors import LabError


class Talking:
    """The part of a task that `lab chat` asks about choices and remarks."""

    name: ClassVar[str]
    chosen: str = ""  # which of `choices` the replies to come shall be

    def chat_notes(self) -> Sequence[str]:
        """Return what a person should know before the first answer: what the model misses in a conversation."""
        return ()

    def choose(self, choice: str) -> None:
        """Let the replies to come be what a person asks for, one of `choices`."""
        raise LabError(f"task {self.name}: there is nothing to choose for its replies")

    def chat_remarks(self, item: Any, reply: str) -> Sequence[str]:
        """Return what a person may want to know of a reply to an item."""
        return ()

    def answered(self, item: Any) -> None:
        """Keep what later turns need of an item that has its reply now."""
