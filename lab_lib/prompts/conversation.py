"""A dialogue held with the model: each prompt depends on what the model answered before."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from lab_lib.corpora.database import Database
from lab_lib.corpora.types import Dialogue
from lab_lib.errors import LabError
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.encode import Piece, Prompt, beginning, encode_pieces, fit, source_end
from lab_lib.prompts.messages import dialogue_messages

# Yields a prompt, is sent the token ids of the model's answer to it (or None: the history keeps the gold reply).
Conversation = Generator[Prompt, Sequence[int] | None, None]


def converse(
    dialogue: Dialogue, tokenizer: Any, config: PromptConfig, database: Database | None = None, reply_tokens: int = 0
) -> Conversation:
    """Yield a prompt for each system turn (with plans two: for the plan, then for the reply).

    The answers that are sent back become the history of what follows; None stands for the gold answer. The user's turns
    (and the state or the calls before each reply, if the prompt has them) stay those of the corpus: the user does not
    react to what the model says. `reply_tokens` of `config.max_tokens` are kept free for the reply.
    Raises LabError naming dialogue and turn when a prompt cannot fit.
    """
    pieces = encode_pieces(dialogue_messages(dialogue, config, database), tokenizer)
    for position, piece in enumerate(pieces):
        if piece.message.role not in ("plan", "bot"):
            continue
        prompt = question(pieces[:position], piece, dialogue, tokenizer, config, reply_tokens)
        ids = yield prompt if piece.message.role == "bot" else replace(prompt, asks="plan")
        if ids is not None:
            pieces[position] = answered(piece, ids, tokenizer)


def question(
    before: Sequence[Piece], piece: Piece, dialogue: Dialogue, tokenizer: Any, config: PromptConfig, reply_tokens: int
) -> Prompt:
    """Return the prompt that asks for a piece's learnt part after the pieces before it; see `converse`."""
    if config.countdown:
        raise LabError("prompt.countdown tells how long a dialogue will be: this run writes dialogues ('lab generate')")
    bos, end = beginning(tokenizer), source_end(tokenizer, config)
    room = config.max_tokens - len(bos) - len(end) - reply_tokens
    try:
        fitted = fit([*before, Piece(piece.before, (), (), piece.message)], room)
    except LabError as error:
        raise LabError(f"dialogue {dialogue.id}, system turn {piece.message.turn}: {error}") from None
    ids = [*bos, *(i for p in fitted.pieces for i in (*p.before, *p.learnt, *p.after)), *end]
    return Prompt(tuple(ids), dialogue.key, piece.message.turn, fitted.dropped, fitted.cut)


def answered(piece: Piece, ids: Sequence[int], tokenizer: Any) -> Piece:
    """Return the piece with what the model wrote as its text."""
    return Piece(piece.before, ended(ids, tokenizer.eos_token_id), piece.after, piece.message)


def ended(reply: Sequence[int], eos: int) -> tuple[int, ...]:
    """Return a reply with its EOS; one that was cut at the greatest length has none."""
    return tuple(reply) if reply and reply[-1] == eos else (*reply, eos)


def prompts(
    dialogue: Dialogue, tokenizer: Any, config: PromptConfig, database: Database | None = None, reply_tokens: int = 0
) -> list[Prompt]:
    """Return one prompt for each system turn, with the gold history before it.

    The prompts are the beginnings of the training example of the same dialogue, token for token, unless oldest turns
    had to be dropped.
    """
    talk = converse(dialogue, tokenizer, config, database, reply_tokens)
    return [prompt for prompt in talk if prompt.asks == "reply"]
