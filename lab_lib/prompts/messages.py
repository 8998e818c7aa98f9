"""Messages with the standard roles: what a prompt is made of, whatever the task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]
TOOLS = "tools"  # the name of a system message that holds tools as JSON, for the tools section of a chat template


@dataclass(frozen=True)
class Message:
    """One message. `turn` is the index of the answer that it leads to, or is part of.

    system: instructions to the model. user: what the user says. assistant: what the model writes, and all of it is
    supervised. tool: facts that nobody says (a belief state, what a database found). `name` is the kind of message
    where a role has several: a call or a plan before the reply, say; it is empty for plain utterances and the
    instruction. `ids` are what a model wrote, with the token that ends it: they are kept in the place of the text's.
    A message of the assistant that is not `learned` is written as the others, and left out of the loss. One of an
    `example`, a conversation that is shown before the item's own, is never asked for and never dropped.
    """

    role: Role
    text: str
    turn: int
    name: str = ""
    ids: tuple[int, ...] | None = None
    learned: bool = True
    example: bool = False

    @property
    def supervised(self) -> bool:
        """Whether the model writes this message."""
        return self.role == "assistant"

    @property
    def kind(self) -> str:
        """The name, or the role of a message without one."""
        return self.name or self.role

    @property
    def is_answer(self) -> bool:
        """Whether this is an answer that goes into predictions: the model's, and no step before it."""
        return self.supervised and not self.name

    @property
    def is_instruction(self) -> bool:
        """Whether this is an instruction for all that follows, or the tools on offer: truncation never drops it."""
        return self.role == "system" and self.name in ("", TOOLS)

    @property
    def stays(self) -> bool:
        """Whether truncation leaves this message, however long the conversation gets."""
        return self.is_instruction or self.example


def clean(text: str) -> str:
    """Collapse white space, so that a line break inside an utterance cannot look like the end of a message."""
    return " ".join(text.split())
