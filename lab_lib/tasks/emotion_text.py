"""What the model sees of a conversation whose next reply shall have an emotion: tags, words, or nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from lab_lib.corpora.dailydialog.types import Talk, Utterance
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.layout import Layout
from lab_lib.prompts.messages import Message
from lab_lib.prompts.tagged import REPLY_EMOTION, TAGS, USER_EMOTION, TaggedLayout, chat_source
from lab_lib.prompts.templates import layout_for

Template = Literal["out_inst_uni", "out_inst", "in_inst_uni", "in_inst", "words", "none"]
WORDS: Template = "words"
NONE: Template = "none"


def messages(talk: Talk, template: Template, instruction: str | None, wanted: str | None = None) -> list[Message]:
    """Return a dialogue as messages, up to its last reply; `wanted` is what that reply shall have, not its own emotion.

    `template` is one of the tagged ones, `words` (the user's message ends with a request) or `none` (not told).
    """
    found = [Message("system", instruction, 0)] if instruction else []
    for turn, (user, reply) in enumerate(talk.turns):
        last = turn == len(talk.turns) - 1
        found += _turn(user, reply, wanted if last and wanted else reply.emotion, template, turn)
    return found


def _turn(user: Utterance, reply: Utterance, wanted: str, template: Template, turn: int) -> list[Message]:
    answer = Message("assistant", reply.text, turn)
    if template in TAGS:
        tags = [Message("tool", user.emotion, turn, USER_EMOTION), Message("tool", wanted, turn, REPLY_EMOTION)]
        return [tags[0], Message("user", user.text, turn), tags[1], answer]
    return [Message("user", user.text if template == NONE else f"{user.text} {request(wanted)}", turn), answer]


def request(emotion: str) -> str:
    """Return the words that ask for an emotion.

    >>> request("fear"), request("neutral")
    ('(Reply with fear.)', '(Reply without emotion.)')
    """
    return "(Reply without emotion.)" if emotion == "neutral" else f"(Reply with {emotion}.)"


def layout(tokenizer: Any, prompt: PromptConfig, template: Template) -> Layout:
    """Return how such messages become tokens. Raises LabError when the tokenizer cannot do it."""
    return TaggedLayout(tokenizer, prompt, template) if template in TAGS else layout_for(tokenizer, prompt)


def own_template(tokenizer: Any, prompt: PromptConfig) -> PromptConfig:
    """Return how an untuned model is prompted: in its tokenizer's own chat template, if it has one.

    An instruct model that has to answer plain lines would be scored below what it can do.
    """
    return replace(prompt, template="chat") if tokenizer.chat_template else prompt


def keep_template(tokenizer: Any, prompt: PromptConfig, template: Template) -> None:
    """Give the tokenizer that is saved with a trained model the template that it was trained in."""
    if template in TAGS and prompt.template == "chat":
        tokenizer.chat_template = chat_source(template)


def history(talk: Talk) -> Sequence[Utterance]:
    """Return what was said before the last reply."""
    return talk.said[: 2 * len(talk.turns) - 1]


def with_reply(talk: Talk, reply: str, emotion: str) -> Talk:
    """Return a dialogue with another last reply."""
    said = (*history(talk), replace(talk.said[2 * len(talk.turns) - 1], text=reply, emotion=emotion))
    return replace(talk, said=said)
