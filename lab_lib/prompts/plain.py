"""The plain template for base models: one line per message. lab-tiny was pretrained on it.

Every message is tokenised on its own and the ids are joined, so a prompt for turn n is, token for token, the beginning
of the prompt for turn n + 1, and of the whole dialogue. Therefore one pass over a dialogue gives the same gradient as
one example per turn, and decoding can reuse its cache within a dialogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab_lib.errors import LabError, TooLong
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.layout import Piece
from lab_lib.prompts.messages import Message
from lab_lib.prompts.template import PLAIN
from lab_lib.prompts.text import text_ids


class PlainLayout:
    """Messages as plain lines, each tokenised once."""

    def __init__(self, tokenizer: Any, config: PromptConfig) -> None:
        """Raise LabError when the tokenizer has no EOS, since a model that never saw EOS never stops."""
        if tokenizer.eos_token_id is None:
            raise LabError("the tokenizer has no EOS token; fine-tuned on it, the model would never stop")
        self.tokenizer, self.config = tokenizer, config
        self.beginning = beginning(tokenizer)
        # The EOS that ends what an encoder reads, as T5 saw it in its pretraining.
        self.source_end = (tokenizer.eos_token_id,) if config.format == "pairs" else ()
        self._known: dict[Message, Piece] = {}
        self._prefixes: dict[str, tuple[int, ...]] = {}
        self._end = text_ids(PLAIN.end, tokenizer)

    def pieces(self, messages: Sequence[Message], asked: Message | None = None) -> list[Piece]:
        """Return one piece per message, and for `asked` its prefix."""
        pieces = [self._piece(message) for message in messages]
        return [*pieces, Piece(self._prefix(asked), (), (), asked)] if asked else pieces

    def _piece(self, message: Message) -> Piece:
        if message not in self._known:
            try:
                self._known[message] = self._tokenised(message)
            except LabError as error:
                raise LabError(f"{message.kind} message of turn {message.turn}: {error}") from None
        return self._known[message]

    def _tokenised(self, message: Message) -> Piece:
        """The assistant's messages: prefix | text + EOS | end; others are all `before`."""
        if not message.supervised:
            return Piece(text_ids(PLAIN.line(message), self.tokenizer), (), (), message)
        written = message.ids
        if written is None:
            written = (*text_ids(f" {message.text}", self.tokenizer), self.tokenizer.eos_token_id)
        return Piece(self._prefix(message), written, self._end, message)

    def _prefix(self, message: Message) -> tuple[int, ...]:
        kind = message.kind
        if kind not in self._prefixes:
            self._prefixes[kind] = text_ids(PLAIN.before(kind), self.tokenizer)
        return self._prefixes[kind]

    def shorten(self, messages: Sequence[Message], room: int, asked: Message | None = None) -> list[Piece]:
        """Cut tokens of the user's lines, so that the answer (or the answer's prefix) stays whole."""
        pieces = self.pieces(messages, asked)
        excess, result = sum(map(len, pieces)) - room, []
        for piece in pieces:
            if piece.message.role == "user" and not piece.message.example and excess > 0:
                cut = min(excess, len(piece.before))
                piece, excess = Piece(piece.before[cut:], (), (), piece.message), excess - cut
            result.append(piece)
        if excess > 0:
            reason = f"a reply with its instruction and state needs {excess} tokens more than prompt.max_tokens"
            raise TooLong(reason, excess)
        return result


def beginning(tokenizer: Any) -> tuple[int, ...]:
    """One BOS for a tokenizer that has it, else nothing (Qwen has none; writing `None` was the 2023 lab's bug)."""
    return () if tokenizer.bos_token_id is None else (tokenizer.bos_token_id,)


def line_ids(messages: Sequence[Message], tokenizer: Any) -> tuple[int, ...]:
    """Return the token ids of messages that are not supervised, as plain lines."""
    return tuple(id for message in messages for id in text_ids(PLAIN.line(message), tokenizer))
