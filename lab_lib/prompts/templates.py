"""Which of the two templates writes the messages: plain lines, or the tokenizer's own chat template."""

from __future__ import annotations

from typing import Any

from lab_lib.prompts.chat import ChatLayout
from lab_lib.prompts.chat_template import chat_template
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.layout import Layout
from lab_lib.prompts.plain import PlainLayout


def layout_for(tokenizer: Any, config: PromptConfig) -> Layout:
    """Return the layout that `prompt.template` names; for a chat template the tokenizer is made ready first.

    Raises LabError when the tokenizer cannot do it.
    """
    ready_tokenizer(tokenizer, config)
    return ChatLayout(tokenizer, config) if config.template == "chat" else PlainLayout(tokenizer, config)


def ready_tokenizer(tokenizer: Any, config: PromptConfig) -> str | None:
    """Make the token that ends a turn in the chat template the tokenizer's EOS: training and decoding stop there.

    The tokenizers of many chat models name another one (`<eos>` of Gemma, `<|endoftext|>` of Phi), which their
    templates never write. Examples and prompts do this by themselves; who calls it right after loading can log the
    line that is returned when something changed. The plain template changes nothing. Raises LabError for a tokenizer
    that has no chat template.
    """
    if config.template != "chat":
        return None
    end, old = chat_template(tokenizer).end, tokenizer.eos_token
    if end == old:
        return None
    tokenizer.eos_token = end
    return f"EOS: {end} (it ends a turn in the chat template; the tokenizer's own was {old})"
