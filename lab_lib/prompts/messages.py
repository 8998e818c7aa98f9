"""Messages with the standard roles: the parts of every prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]
TOOLS = "tools"  # the name of a system message that holds tools as JSON, for the tools section of a chat template


@dataclass(frozen=True)
class Message:
    """One message. `turn` is the index of the answer that it leads to, or is part of.

    system: instructions to the model. user: the user's words. assistant: the model's text, all of which is supervised.
    tool: facts that nobody says (a belief state, the results of a database). `name` is the kind of message if a role
    has several, for example a call or a plan before the reply; it is empty for plain utterances and the instruction.
    `ids` are a model's generated tokens with the end token: they replace the tokens of the text. A message of the
    assistant that is not `learned` is excluded from the loss. A message of an `example`, a conversation that precedes
    the item's own, is never generated and never dropped.
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
