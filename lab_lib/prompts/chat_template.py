"""A tokenizer's chat template and its abilities, which are determined by trying it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from lab_lib.errors import LabError
from lab_lib.prompts.text import control_tokens

# A place in rendered text that stands for token ids. Text that has these symbols of its own never gets into a template.
SLOT = re.compile("\ue000(\\d+)\ue001")
GENERATION = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")
Chat = Sequence[Mapping[str, str]]  # {"role", "content"} of each message, as transformers wants them
Tools = Sequence[Mapping[str, Any]]  # tools as OpenAI's interface describes them, which is what templates take
PROBE = "probe_of_tools"  # the name of a tool that shows whether a template writes any


def slot(number: int) -> str:
    """Return the text of a slot."""
    return f"\ue000{number}\ue001"


@dataclass(frozen=True)
class Rendered:
    """A chat as text; `spans` are what the template's generation markers enclose, (start, end) in characters."""

    text: str
    spans: tuple[tuple[int, int], ...] = ()


class ChatTemplate:
    """The abilities of a chat template.

    `system`, `tool`: whether it knows messages of these roles. `repeats`: whether two messages of one role may follow
    each other. `opens`: whether an assistant may speak before the user. `end` is the token that ends an answer.
    `marks` are the words by which a template without control tokens of its own (Llama 2) tells who speaks: text that
    has them cannot be told from the template's.
    """

    def __init__(self, tokenizer: Any, source: str) -> None:
        """Raise LabError for a template that does not write what user and assistant say, or ends no answer."""
        self.tokenizer, self.source = tokenizer, source
        self.control = sorted(control_tokens(tokenizer).values(), key=len, reverse=True)
        self.marked = bool(GENERATION.search(source))
        self.system = self._writes("system", "user", "assistant")
        self.tool = all(
            self._writes(*roles)
            for roles in (
                ("user", "tool", "assistant"),
                ("user", "assistant", "tool", "assistant"),
                ("user", "assistant", "tool", "user", "assistant"),
            )
        )
        self.repeats = self._writes("user", "user", "assistant", "assistant", "user")
        self.opens = self._writes("assistant", "user", "assistant")
        gaps = self._gaps("user", "assistant", "user")
        self.end = self._first_control(gaps[1])
        self.marks = self._marks([*gaps, *(self._gaps("system", "user") if self.system else ())])

    @cached_property
    def tools(self) -> bool:
        """Whether it writes which tools are on offer."""
        named = {"name": PROBE, "description": "", "parameters": {"type": "object", "properties": {}}}
        tools = [{"type": "function", "function": named}]
        try:
            return PROBE in self.render([{"role": "user", "content": slot(0)}], tools=tools).text
        except LabError:
            return False

    def render(self, chat: Chat, ask: bool = False, tools: Tools | None = None) -> Rendered:
        """Write a chat, with the tools on offer where there are any; with `ask` up to where an answer begins.

        Models that can think before answering are told not to. Raises LabError if the template refuses the chat.
        """
        options = {"add_generation_prompt": ask, "enable_thinking": False, **({"tools": tools} if tools else {})}
        try:
            if not self.marked:
                how = {"chat_template": self.source, "tokenize": False, **options}
                return Rendered(self.tokenizer.apply_chat_template(list(chat), **how))
            from transformers.utils.chat_template_utils import render_jinja_template

            how = {"chat_template": self.source, "return_assistant_tokens_mask": True, **options}
            texts, spans = render_jinja_template([list(chat)], **how, **self.tokenizer.special_tokens_map)
        except Exception as error:  # templates are programs and can raise anything
            line = str(error).strip().split("\n")[0]
            raise LabError(f"the chat template refuses these messages: {line}") from error
        return Rendered(texts[0], tuple(spans[0]))

    def _try(self, *roles: str) -> str:
        return self.render([{"role": role, "content": slot(n)} for n, role in enumerate(roles)]).text

    def _writes(self, *roles: str) -> bool:
        """Whether each message of a chat of these roles is written once, in its place."""
        try:
            return [int(n) for n in SLOT.findall(self._try(*roles))] == list(range(len(roles)))
        except LabError:
            return False

    def _gaps(self, *roles: str) -> list[str]:
        """Return what the template writes between messages of these roles."""
        if not self._writes(*roles):
            raise LabError(f"the chat template does not write a chat of {', '.join(roles)}; use prompt.template=plain")
        return SLOT.split(self._try(*roles))[2:-1:2]

    def _first_control(self, text: str) -> str:
        """Return the first control token of what is written behind an answer."""
        found = re.search("|".join(map(re.escape, self.control)) or "(?!)", text)
        if found is None:
            raise LabError("the chat template writes no token at the end of an answer; use prompt.template=plain")
        return found[0]

    def _marks(self, gaps: Sequence[str]) -> tuple[str, ...]:
        """Return the words with symbols (`[/INST]`) of a template that parts two messages without a control token."""
        control = re.compile("|".join(map(re.escape, self.control)) or "(?!)")
        if all(control.search(gap) for gap in gaps):
            return ()
        words = " ".join(control.sub(" ", gap) for gap in gaps).split()
        return tuple(dict.fromkeys(word for word in words if re.search(r"[^\w\s]", word)))


def chat_template(tokenizer: Any) -> ChatTemplate:
    """Return the chat template of a tokenizer. Raises LabError where there is none."""
    if not getattr(tokenizer, "chat_template", None):
        raise LabError("prompt.template=chat: this tokenizer has no chat template; use prompt.template=plain")
    return _found(tokenizer, tokenizer.get_chat_template())


@lru_cache(maxsize=8)
def _found(tokenizer: Any, source: str) -> ChatTemplate:
    return ChatTemplate(tokenizer, source)
