"""A conversation with the model: each prompt depends on what the model answered before."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.encode import Piece, Prompt, beginning, encode_pieces, fit, source_end
from lab_lib.prompts.messages import Message

# Yields a prompt, is sent the token ids of the model's answer to it (or None: the history keeps the gold answer).
Conversation = Generator[Prompt, Sequence[int] | None, None]


def converse(
    messages: Sequence[Message], key: str, tokenizer: Any, config: PromptConfig, room: int = 0, name: str | None = None
) -> Conversation:
    """Yield a prompt for each message of the assistant: for a call or a plan too, where there are such.

    The answers that are sent back take the place of these messages in the history of what follows; None keeps the gold
    message. All other messages stay as they are: nobody reacts to what the model says. `room` tokens of
    `config.max_tokens` are kept free for each answer. Raises LabError beginning with `name` (`item KEY` where it is
    left out) and the turn when a prompt cannot fit.
    """
    pieces = encode_pieces(messages, tokenizer)
    for position, piece in enumerate(pieces):
        if not piece.message.supervised:
            continue
        ids = yield question(pieces[:position], piece, key, tokenizer, config, room, name)
        if ids is not None:
            pieces[position] = answered(piece, ids, tokenizer)


def question(
    before: Sequence[Piece],
    piece: Piece,
    key: str,
    tokenizer: Any,
    config: PromptConfig,
    room: int = 0,
    name: str | None = None,
) -> Prompt:
    """Return the prompt that asks for a piece's supervised part after the pieces before it; see `converse`."""
    bos, end = beginning(tokenizer), source_end(tokenizer, config)
    turn = piece.message.turn
    try:
        fitted = fit([*before, Piece(piece.before, (), (), piece.message)], config.max_tokens - len(bos + end) - room)
    except LabError as error:
        raise LabError(f"{name or f'item {key}'}, system turn {turn}: {error}") from None
    ids = [*bos, *(i for p in fitted.pieces for i in (*p.before, *p.supervised, *p.after)), *end]
    return Prompt(tuple(ids), key, turn, fitted.dropped, fitted.cut, piece.message.name or "reply")


def answered(piece: Piece, ids: Sequence[int], tokenizer: Any) -> Piece:
    """Return the piece with what the model wrote as its text."""
    return Piece(piece.before, ended(ids, tokenizer.eos_token_id), piece.after, piece.message)


def ended(answer: Sequence[int], eos: int) -> tuple[int, ...]:
    """Return an answer with its EOS; one that was cut at the greatest length has none."""
    return tuple(answer) if answer and answer[-1] == eos else (*answer, eos)


def prompts(conversation: Conversation) -> list[Prompt]:
    """Return the prompts of a conversation that ask for answers, all of them with the gold history.

    They are the beginnings of the training example of the same messages, token for token, unless oldest turns had to
    be dropped.
    """
    return [prompt for prompt in conversation if prompt.asks == "reply"]
