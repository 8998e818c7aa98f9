"""The types of conversations in your own files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab_lib.errors import LabError

Speaker = Literal["system", "user", "assistant", "tool"]


class BadRecord(LabError):
    """A record that breaks its layout: the run is refused, naming file and line."""


class Unusable(Exception):
    """A valid record without training content; it is omitted and counted by reason."""


@dataclass(frozen=True)
class Said:
    """One message. For an assistant's message, `learned` is False if it must not be supervised (OpenAI's `weight`
    0)."""

    role: Speaker
    text: str
    learned: bool = True


@dataclass(frozen=True)
class Chat:
    """A conversation: its key (`line 12`, or the record's own id), and its messages in order."""

    key: str
    messages: tuple[Said, ...]

    @property
    def answers(self) -> tuple[Said, ...]:
        """What the assistant says, in order."""
        return tuple(said for said in self.messages if said.role == "assistant")

    @property
    def text(self) -> str:
        """What users and assistants say."""
        return "\n".join(said.text for said in self.messages if said.role in ("user", "assistant"))

    @property
    def asked(self) -> str:
        """What the users say."""
        return "\n".join(said.text for said in self.messages if said.role == "user")
