"""Prompts with an emotion for each message, in four templates that differ in the place and name of the reply's tag.

    out_inst_uni   [INST] [EMOTION] fear [/EMOTION] words [/INST] [EMOTION] anger [/EMOTION] reply</s>
    out_inst       [INST] [U_EMOTION] fear [/U_EMOTION] words [/INST] [C_EMOTION] anger [/C_EMOTION] reply</s>
    in_inst_uni    [INST] [EMOTION] fear [/EMOTION] words [EMOTION] anger [/EMOTION] [/INST] reply</s>
    in_inst        [INST] [U_EMOTION] fear [/U_EMOTION] words [C_EMOTION] anger [/C_EMOTION] [/INST] reply</s>

The emotions are messages of their own (role tool), so the loss mask comes from the messages: the reply and its EOS are
supervised and nothing else, whatever the tags are called. For base models the same is written in plain lines (`user>`,
`bot>`). A tag is a token of its own where the vocabulary has it (`model.added_tokens`), else plain text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.layout import Piece
from lab_lib.prompts.messages import Message
from lab_lib.prompts.plain import PlainLayout
from lab_lib.prompts.text import template_ids, text_ids

Tags = Literal["out_inst_uni", "out_inst", "in_inst_uni", "in_inst"]
TAGS: tuple[Tags, ...] = ("out_inst_uni", "out_inst", "in_inst_uni", "in_inst")
USER_EMOTION, REPLY_EMOTION = "user_emotion", "reply_emotion"  # names of the messages that hold an emotion


@dataclass(frozen=True)
class Strings:
    """What is written before and after each kind of message; a reply ends with EOS and then `after["assistant"]`."""

    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


def strings(tags: Tags, chat: bool) -> Strings:
    """Return the strings of a template: with [INST], as the origin has it (`chat`), or as plain lines."""
    user, reply = ("EMOTION", "EMOTION") if tags.endswith("_uni") else ("U_EMOTION", "C_EMOTION")
    ask, answer = ("[INST] ", "") if chat else ("user> ", "bot>")
    turn = " [/INST]" if chat else "\n"  # from the user's words to the reply
    inside = tags.startswith("in_")
    return Strings(
        {
            "system": "<<SYS>>\n" if chat else "task> ",
            USER_EMOTION: f"{ask}[{user}] ",
            "user": " ",
            REPLY_EMOTION: f"{'' if inside or not answer else answer} [{reply}] ",
            "assistant": answer if inside else "",
        },
        {
            "system": "\n<</SYS>>\n\n" if chat else "\n",
            USER_EMOTION: f" [/{user}]",
            "user": "" if inside else turn,
            REPLY_EMOTION: f" [/{reply}]{turn if inside else ''}",
            "assistant": "\n",
        },
    )


def tag_names(tags: Tags) -> tuple[str, ...]:
    """Return the tags of a template, for `model.added_tokens`.

    >>> tag_names("in_inst_uni")
    ('[EMOTION]', '[/EMOTION]')
    """
    kinds = ("EMOTION",) if tags.endswith("_uni") else ("U_EMOTION", "C_EMOTION")
    return tuple(f"[{slash}{kind}]" for kind in kinds for slash in ("", "/"))


class TaggedLayout(PlainLayout):
    """Messages between the strings of a template, those with [INST] where `prompt.template` is chat.

    What people say is text, whatever tags it contains.
    """

    def __init__(self, tokenizer: Any, config: PromptConfig, tags: Tags) -> None:
        super().__init__(tokenizer, config)
        self.strings = strings(tags, config.template == "chat")
        self._end = template_ids(self.strings.after["assistant"], tokenizer)

    def _tokenised(self, message: Message) -> Piece:
        if message.supervised:
            return super()._tokenised(message)
        words = text_ids(message.text, self.tokenizer)
        after = template_ids(self.strings.after[message.kind], self.tokenizer)
        return Piece((*self._prefix(message), *words, *after), (), (), message)

    def _prefix(self, message: Message) -> tuple[int, ...]:
        return template_ids(self.strings.before[message.kind], self.tokenizer)


def chat_source(tags: Tags) -> str:
    """Return the same template in Jinja, with generation markers, for training and prompting with other code.

    Each message has the key `emotion`; that of the reply to come is the argument `emotion` of `apply_chat_template`.
    """
    before, after = strings(tags, chat=True).before, strings(tags, chat=True).after

    def around(kind: str, value: str) -> str:
        return f"{_quoted(before[kind])} + {value} + {_quoted(after[kind])}"

    return (
        "{{ bos_token if bos_token is defined and bos_token else '' }}{% for message in messages %}"
        "{% if message.role == 'system' %}{{ " + around("system", "message.content") + " }}"
        "{% elif message.role == 'user' %}"
        "{{ " + around(USER_EMOTION, "message.emotion") + " + " + around("user", "message.content") + " }}"
        "{% else %}{{ " + around(REPLY_EMOTION, "message.emotion") + " }}"
        "{% generation %}{{ ' ' + message.content + eos_token }}{% endgeneration %}"
        "{{ " + _quoted(after["assistant"]) + " }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ " + around(REPLY_EMOTION, "emotion") + " }}{% endif %}"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("\n", "\\n") + "'"
