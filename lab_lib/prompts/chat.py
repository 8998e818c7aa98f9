"""Messages in the tokenizer's own chat template, for instruct models.

Each message is one message of the chat, with exceptions that depend on the template (`ChatTemplate`):

- An instruction (system) is the first message. Where the template knows no system role it stands in front of the first
  user's words, in the same message. A system message later in the conversation stands in front of the user's likewise.
- Facts (tool) are written `state: hotel area=north`. Where the template knows no tool role they are a user's message.
- Where the template demands that user and assistant take turns, neighbours of one role are one message, parted by an
  empty line. Two messages of the assistant stay two, since the model writes each: a user's `Continue.` stands between.
- An assistant that speaks first is asked to by the same word, unless the template lets it begin.
- Tools on offer (a system message named `tools`) are no message: the template writes them into a section of its own.

The supervised part is derived from the messages: an answer is the text that the template adds when the answer is
appended to the chat that asks for it, up to the end token. Generation markers of the template, if any, determine where
the supervised part begins.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lab_lib.errors import LabError, TooLong
from lab_lib.prompts.chat_template import SLOT, ChatTemplate, Rendered, chat_template, slot
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.layout import Piece
from lab_lib.prompts.messages import TOOLS, Message
from lab_lib.prompts.text import control_tokens, template_ids, text_ids

GO_ON = "Continue."
PART = "\n\n"  # between texts that share a message
SYMBOLS = frozenset("\ue000\ue001")  # those of slots
Slots = dict[int, tuple[int, ...]]  # token ids that stand for the slots of rendered text


@dataclass(frozen=True)
class Spoken:
    """One message as the template gets it; `message` is the last of ours in it."""

    role: str
    content: str
    message: Message


def tell(messages: Sequence[Message], contents: Sequence[str], template: ChatTemplate) -> list[Spoken]:
    """Return messages, whose texts are `contents`, in the roles that a template knows; the module says how."""
    chat: list[Spoken] = []
    for message, content in zip(messages, contents, strict=True):
        role = _role(message, chat, template)
        last = chat[-1] if chat else None
        if role == "assistant":
            if _must_be_asked(last, template):
                chat.append(Spoken("user", GO_ON, message))
        elif last and last.role == role and (not template.repeats or last.message.role == "system"):
            chat[-1] = Spoken(role, f"{last.content}{PART}{content}", message)
            continue
        chat.append(Spoken(role, content, message))
    return chat


def _must_be_asked(last: Spoken | None, template: ChatTemplate) -> bool:
    """Whether the assistant cannot speak after this message (None: at the beginning)."""
    if last is None or last.role == "system":
        return last is None or not template.opens
    return last.role == "assistant" and not template.repeats


def _role(message: Message, chat: Sequence[Spoken], template: ChatTemplate) -> str:
    """Return the role that a message has in the template."""
    if message.role == "system" and not (template.system and all(spoken.role == "system" for spoken in chat)):
        return "user"
    return "user" if message.role == "tool" and not template.tool else message.role


class ChatLayout:
    """Messages in a chat template: one piece for each answer, with all that leads to it.

    In format `turns` only the answers of the last turn have separate pieces. Earlier answers may then have a different
    text in the history, as in templates that omit the model's thoughts.
    """

    beginning: tuple[int, ...] = ()  # the template writes BOS, if it wants one
    source_end: tuple[int, ...] = ()

    def __init__(self, tokenizer: Any, config: PromptConfig) -> None:
        """Take a tokenizer whose EOS ends an answer (`ready_tokenizer`). Raises LabError without a chat template."""
        self.tokenizer, self.config, self.template = tokenizer, config, chat_template(tokenizer)
        self._rendered: dict[tuple[Any, ...], Rendered] = {}
        self._tokenised: dict[str, tuple[int, ...]] = {}
        self._texts: dict[Message, tuple[str, tuple[int, ...] | None]] = {}

    def pieces(self, messages: Sequence[Message], asked: Message | None = None) -> list[Piece]:
        """Return one piece per answer; with `asked` the last one ends where that answer begins."""
        offered = [self._offered(message) for message in messages if message.kind == TOOLS]
        every = [message for message in messages if message.kind != TOOLS]
        every += [replace(asked, text="", ids=None)] if asked else []
        slots: Slots = {}
        contents = [self._content(message, n, slots) for n, message in enumerate(every)]
        chat = [*offered, *tell(every, contents, self.template)]
        apart = 0 if self.config.format == "dialogues" else every[-1].turn
        pieces, done = list[Piece](), ""
        for n, spoken in enumerate(chat):
            if spoken.role != "assistant" or spoken.message.turn < apart:
                continue
            turn = spoken.message.turn
            start = self._begun(chat[:n], turn, done)
            lead = self._ids_behind(self.template.end if done else "", start[len(done) :], slots)
            if asked and n == len(chat) - 1:
                return [*pieces, Piece(lead, (), (), asked)]
            given, answer = self._answer(chat[: n + 1], turn, start)
            given_ids = self._ids_behind(start[len(done) :], given, slots)
            written = spoken.message.ids or self._ids_behind(start[len(done) :] + given, answer, slots)
            pieces.append(Piece((*lead, *given_ids), written, (), spoken.message))
            done = start + given + answer
        return pieces

    def _begun(self, chat: Sequence[Spoken], turn: int, done: str) -> str:
        """Return a chat up to where an answer begins. Raises LabError unless it goes on from what is `done`."""
        start = self._render(chat, ask=True).text
        if not start.startswith(done):
            raise self._rewritten(chat, turn)
        return start

    def _answer(self, chat: Sequence[Spoken], turn: int, start: str) -> tuple[str, str]:
        """Return what follows `start` in a chat that ends with an answer: (not supervised, supervised up to its end).

        The first part is empty unless generation markers leave something out. Raises LabError unless the chat goes on
        from `start`, and when the markers leave out the answer.
        """
        whole = self._render(chat)
        if not whole.text.startswith(start):
            raise self._rewritten(chat[:-1], turn)
        stop = whole.text.index(self.template.end, len(start)) + len(self.template.end)
        begin = len(start)
        if self.template.marked:
            begin = max(begin, next((low for low, high in whole.spans if high > begin), stop))
        if begin >= stop:
            raise LabError("the generation markers of the chat template leave out an answer; use prompt.template=plain")
        return whole.text[len(start) : begin], whole.text[begin:stop]

    def _rewritten(self, chat: Sequence[Spoken], turn: int) -> LabError:
        """Return the error of a template that changes earlier text; one example per turn helps after an earlier answer.

        Some templates omit the model's thoughts in all answers except the last, others trim white space.
        """
        earlier = any(spoken.role == "assistant" and spoken.message.turn < turn for spoken in chat)
        way_out = "prompt.template=plain"
        if earlier and self.config.format == "dialogues":
            way_out = "prompt.format=turns: one example per turn"
        return LabError(f"the chat template changes earlier messages when one is added; use {way_out}")

    def _render(self, chat: Sequence[Spoken], ask: bool = False) -> Rendered:
        key = (ask, *((spoken.role, spoken.content) for spoken in chat))
        if key not in self._rendered:
            messages = [{"role": spoken.role, "content": spoken.content} for spoken in chat if spoken.role != TOOLS]
            tools = [tool for spoken in chat if spoken.role == TOOLS for tool in json.loads(spoken.content)]
            self._rendered[key] = self.template.render(messages, ask, tools)
        return self._rendered[key]

    def _offered(self, message: Message) -> Spoken:
        """Return the tools of a message. Raises LabError for a template without such a section, and for its words."""
        if not self.template.tools:
            raise LabError("the chat template of this tokenizer has no section for tools; describe them in the prompt")
        marks = (*control_tokens(self.tokenizer).values(), *self.template.marks)
        if mark := next((mark for mark in marks if mark in message.text), None):
            raise LabError(f"{mark!r} in a tool cannot be told from the chat template's own")
        return Spoken(TOOLS, message.text, message)

    def _content(self, message: Message, number: int, slots: Slots) -> str:
        """Return a message's text for the template, with slots for parts that must not be read as template code."""
        if message not in self._texts:
            try:
                self._texts[message] = self._text(message)
            except LabError as error:
                raise LabError(f"{message.kind} message of turn {message.turn}: {error}") from None
        text, ids = self._texts[message]
        if ids is None:
            return text
        slots[number] = ids
        return slot(number)

    def _text(self, message: Message) -> tuple[str, tuple[int, ...] | None]:
        """Return (text, None), or for text that may not be seen by the template (text, its token ids)."""
        if ids := message.ids:
            return "", ids[:-1] if ids[-1] == self.tokenizer.eos_token_id else ids
        named = message.name and not message.supervised
        text = f"{message.name}: {message.text}" if named else message.text
        if mark := next((mark for mark in self.template.marks if mark in text), None):
            raise LabError(f"{mark!r} in a text cannot be told from the chat template's own")
        ids = text_ids(text, self.tokenizer)
        seen = ids == template_ids(text, self.tokenizer) and not SYMBOLS.intersection(text)
        return text, None if seen else ids

    def _ids_behind(self, before: str, text: str, slots: Slots) -> tuple[int, ...]:
        """Return the token ids that `text` has behind other text; those it has alone where the two share a token."""
        head, whole = self._ids(before, slots), self._ids(before + text, slots)
        return whole[len(head) :] if whole[: len(head)] == head else self._ids(text, slots)

    def _ids(self, text: str, slots: Slots) -> tuple[int, ...]:
        """Return the token ids of rendered text."""
        if SLOT.search(text):
            parts = enumerate(SLOT.split(text))
            return tuple(id for n, part in parts for id in (slots[int(part)] if n % 2 else self._ids(part, slots)))
        if text not in self._tokenised:
            self._tokenised[text] = template_ids(text, self.tokenizer)
        return self._tokenised[text]

    def shorten(self, messages: Sequence[Message], room: int, asked: Message | None = None) -> list[Piece]:
        """Cut the user's last words from the left, as little as necessary."""
        own = (n for n, message in enumerate(messages) if message.kind == "user" and not message.example)
        place = max(own, default=None)
        text = "" if place is None else messages[place].text

        def without(count: int) -> list[Piece]:
            """Return the pieces when the user's text lacks its first `count` characters."""
            if place is None:
                return self.pieces(messages, asked)
            short = replace(messages[place], text=text[count:])
            return self.pieces([*messages[:place], short, *messages[place + 1 :]], asked)

        cut = bisect_left(range(len(text)), True, key=lambda count: sum(map(len, without(count))) <= room)
        pieces = without(cut)
        if (excess := sum(map(len, pieces)) - room) > 0:
            reason = f"a reply with its instruction and state needs {excess} tokens more than prompt.max_tokens"
            raise TooLong(reason, excess)
        return pieces
