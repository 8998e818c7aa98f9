"""Lay out messages as pieces of tokens by one of two templates, and cut them to the available room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.messages import Message


@dataclass(frozen=True)
class Piece:
    """Some tokens: those before the supervised part, that part (empty unless the model writes one), those after it.

    The plain template makes one piece of each message, a chat template one of each answer with what leads to it.
    `message` is the message, or the answer.
    """

    before: tuple[int, ...]
    supervised: tuple[int, ...]
    after: tuple[int, ...]
    message: Message

    def __len__(self) -> int:
        return len(self.before) + len(self.supervised) + len(self.after)


class Layout(Protocol):
    """How messages become pieces.

    `beginning` comes before all pieces (BOS); `source_end` before the answer, where it ends what an encoder reads.
    """

    @property
    def config(self) -> PromptConfig: ...
    @property
    def beginning(self) -> tuple[int, ...]: ...
    @property
    def source_end(self) -> tuple[int, ...]: ...

    def pieces(self, messages: Sequence[Message], asked: Message | None = None) -> list[Piece]:
        """Return the pieces of some messages; with `asked` the last piece ends where that answer begins.

        Raises LabError for messages that cannot be written.
        """

    def shorten(self, messages: Sequence[Message], room: int, asked: Message | None = None) -> list[Piece]:
        """Cut the user's words of the only remaining turn from the left, until its pieces fit in `room` tokens.

        Raises LabError when that is not enough.
        """


@dataclass(frozen=True)
class Fitted:
    """The pieces that fit: without the `dropped` oldest turns, and without `cut` tokens of the last turn's user."""

    pieces: list[Piece]
    dropped: int
    cut: int = 0


def fit(layout: Layout, messages: Sequence[Message], room: int, asked: Message | None = None) -> Fitted:
    """Drop whole oldest turns, with all messages that lead to their answers, until the rest fits in `room` tokens.

    Instructions, examples and the last turn always stay; if these alone do not fit, the last turn's user text is cut
    from the left. Raises LabError if that is not enough.
    """
    every = [*messages, asked] if asked else messages
    first, last = every[0].turn, every[-1].turn
    for dropped in range(last - first + 1):
        kept = since(messages, first + dropped)
        pieces = layout.pieces(kept, asked)
        if (size := sum(map(len, pieces))) <= room:
            return Fitted(pieces, dropped)
    return Fitted(layout.shorten(kept, room, asked), last - first, size - room)


def since(messages: Sequence[Message], turn: int) -> list[Message]:
    """Return the instructions, the examples, and the messages from a turn on."""
    return [message for message in messages if message.stays or message.turn >= turn]
