"""A conversation with the model: each prompt depends on the model's previous answers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from lab_lib.errors import LabError, TooLong
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.encode import Prompt
from lab_lib.prompts.layout import Layout, fit
from lab_lib.prompts.messages import Message
from lab_lib.prompts.templates import layout_for

# Yields a prompt, is sent the token ids of the model's answer to it (or None: the history keeps the gold answer).
Conversation = Generator[Prompt, Sequence[int] | None, None]


def converse(
    messages: Sequence[Message],
    key: str,
    tokenizer: Any,
    config: PromptConfig,
    room: int = 0,
    name: str | None = None,
    layout: Layout | None = None,
) -> Conversation:
    """Yield a prompt for each message of the assistant, including calls and plans.

    The answers that are sent back take the place of these messages in the history of what follows; None keeps the gold
    message. All other messages stay unchanged: nobody reacts to the model's answers. `room` tokens of
    `config.max_tokens` are kept free for each answer. `layout` is a task's own layout. Raises LabError beginning with
    `name` (default `item KEY`) and the turn if a prompt cannot fit.
    """
    layout, history = layout or layout_for(tokenizer, config), list(messages)
    for place, message in enumerate(history):
        if not message.supervised or message.example:
            continue
        ids = yield question(history[:place], message, key, layout, room, name)
        if ids is not None:
            history[place] = answered(message, ids, tokenizer)


def question(
    before: Sequence[Message], asked: Message, key: str, layout: Layout, room: int = 0, name: str | None = None
) -> Prompt:
    """Return the prompt that asks for a message of the assistant after those before it; see `converse`."""
    around = len(layout.beginning) + len(layout.source_end)
    try:
        fitted = fit(layout, before, layout.config.max_tokens - around - room, asked)
    except LabError as error:
        where = f"{name or f'item {key}'}, system turn {asked.turn}: {error}"
        raise (TooLong(where, error.excess) if isinstance(error, TooLong) else LabError(where)) from None
    shown = (i for piece in fitted.pieces for i in (*piece.before, *piece.supervised, *piece.after))
    ids = (*layout.beginning, *shown, *layout.source_end)
    return Prompt(ids, key, asked.turn, fitted.dropped, fitted.cut, asked.name or "reply")


def answered(message: Message, ids: Sequence[int], tokenizer: Any) -> Message:
    """Return the message with what the model wrote in the place of its text."""
    return replace(message, text="", ids=ended(ids, tokenizer.eos_token_id))


def ended(answer: Sequence[int], eos: int) -> tuple[int, ...]:
    """Return an answer with its EOS; one that was cut at the maximum length has none."""
    return tuple(answer) if answer and answer[-1] == eos else (*answer, eos)


def prompts(conversation: Conversation) -> list[Prompt]:
    """Return the prompts of a conversation that ask for answers, all of them with the gold history.

    They are the beginnings of the training example of the same messages, token for token, unless oldest turns had to
    be dropped.
    """
    return [prompt for prompt in conversation if prompt.asks == "reply"]
