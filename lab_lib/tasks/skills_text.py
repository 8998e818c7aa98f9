"""The messages of a request: one function for training, evaluation and serving."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from lab_lib.calls.call import Call
from lab_lib.calls.skills.check import call_text
from lab_lib.calls.skills.skill import NO_SKILL_TEXT, Skills, prompt_text, tool
from lab_lib.corpora.chats.types import Said
from lab_lib.prompts.messages import TOOLS, Message, clean

# What a prompt says about the skills: nothing (the model has memorised them), their signatures, signatures and texts,
# or the tools section of the tokenizer's own chat template.
Describe = Literal["nothing", "signatures", "texts", "tools"]


def skill_messages(
    said: Sequence[Said], call: Call, skills: Skills, describe: Describe, instruction: str | None = None
) -> list[Message]:
    """Return the skills on offer, what was said, and the call, which is the only supervised message.

    For a prompt, any call will do: its text is not part of the prompt. Earlier answers of the assistant are read, but
    not supervised. White space inside an utterance becomes one space.
    """
    system = [one.text for one in said if one.role == "system"]
    offer = [instruction, *system, offered(skills, describe)]
    found = [Message("system", clean(text), 0) for text in [" ".join(filter(None, offer))] if text.strip()]
    if describe == "tools":
        tools = json.dumps([tool(skill) for skill in skills.values()], ensure_ascii=False)
        found.insert(0, Message("system", tools, 0, TOOLS))
    turn = 0
    for one in said:
        if one.role != "system":
            found.append(Message(one.role, clean(one.text), turn, learned=False))
            turn += one.role == "assistant"
    return [*found, Message("assistant", call_text(call), turn)]


def offered(skills: Skills, describe: Describe) -> str:
    """Return the skills as prose for a prompt; "" if it says nothing or the chat template has a section for tools."""
    parts = [text.split("\n", 1) for text in (*map(prompt_text, skills.values()), NO_SKILL_TEXT)]
    if describe == "signatures":
        return f"Skills: {', '.join(signature for signature, _ in parts)}"
    return f"Skills: {' '.join(map(': '.join, parts))}" if describe == "texts" else ""
