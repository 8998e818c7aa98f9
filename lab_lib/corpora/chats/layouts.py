"""Convert a record in one of the usual layouts to a conversation.

messages      {"messages": [{"role": "user", "content": "..."}, ...]}         OpenAI, TRL
completion    {"prompt": "...", "completion": "..."}, or lists of messages    OpenAI, TRL
instruction   {"instruction": "...", "input": "...", "output": "..."}         Alpaca
sharegpt      {"conversations": [{"from": "human", "value": "..."}, ...]}     ShareGPT
keys          two keys of one's own, for what is asked and what is answered
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_lib.corpora.chats.types import BadRecord, Said, Unusable
from lab_lib.errors import nearest, shown
from lab_lib.texts import is_blank

Record = Mapping[str, Any]
ROLES = {
    **{role: role for role in ("system", "user", "assistant", "tool")},
    **{"developer": "system", "human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"},
    **{"chatgpt": "assistant", "observation": "tool", "function": "tool"},
}
# Keys of other kinds of training data, and their descriptions for messages.
OTHERS = {
    ("chosen", "rejected"): "pairs of a preferred and another answer",
    ("preferred_output", "non_preferred_output"): "pairs of a preferred and another answer",
    ("prompt", "label"): "answers with a label",
    ("completions", "labels"): "steps with labels",
    ("text",): "plain text without speakers",
    ("prompt",): "prompts without answers",
}
EMPTY, NO_ANSWER = "an empty message", "no message of the assistant"
CALLS = "calls of tools (task calls learns them)"


def recognise(record: Record) -> str:
    """Return the layout of a record. Raises BadRecord, naming the keys, for an unknown layout."""
    if "messages" in record:
        return "messages"
    if "conversations" in record:
        return "sharegpt"
    if "completion" in record and "prompt" in record and "label" not in record:
        return "completion"
    if "instruction" in record and "output" in record:
        return "instruction"
    kind = next((said for keys, said in OTHERS.items() if set(keys) <= set(record)), None)
    found = f"{kind}: " if kind else ""
    raise BadRecord(
        f"{found}keys {shown(list(record))}; expected messages, prompt and completion, instruction and output, or "
        "conversations, or name two keys: task.keys=[question, answer]"
    )


def conversation(record: Record, layout: str, keys: tuple[str, ...] = ()) -> tuple[Said, ...]:
    """Return the messages of a record in a layout.

    Raises BadRecord for a record that is not in the layout, and Unusable for one without training content.
    """
    said = _keys(record, keys) if layout == "keys" else READERS[layout](record)
    if not any(one.role == "assistant" for one in said):
        raise Unusable(NO_ANSWER)
    if any(is_blank(one.text) for one in said if one.role != "system"):
        raise Unusable(EMPTY)
    last = max(place for place, one in enumerate(said) if one.role == "assistant")
    said = tuple(one for one in said[: last + 1] if not (one.role == "system" and is_blank(one.text)))
    if not any(one.role == "assistant" and one.learned for one in said):
        raise Unusable("every answer has weight 0")
    return said


def _keys(record: Record, keys: tuple[str, ...]) -> tuple[Said, ...]:
    for key in keys:
        if key not in record:
            raise BadRecord(f"task.keys: the record has no key '{key}'{nearest(key, record)}")
    return Said("user", _text(record, keys[0])), Said("assistant", _text(record, keys[1]))


def _messages(record: Record) -> tuple[Said, ...]:
    return _said(record["messages"], "messages", "role", "content")


def _completion(record: Record) -> tuple[Said, ...]:
    """Read prompt and completion, each a text or a list of messages; OpenAI's separators and stop signs stay text."""
    prompt, completion = record["prompt"], record["completion"]
    if isinstance(prompt, list) and isinstance(completion, list):
        return (*_said(prompt, "prompt", "role", "content"), *_said(completion, "completion", "role", "content"))
    return Said("user", _text(record, "prompt").strip()), Said("assistant", _text(record, "completion").strip())


def _instruction(record: Record) -> tuple[Said, ...]:
    """Read an instruction with its input; the two are joined by an empty line."""
    about = record.get("input") or ""
    if not isinstance(about, str):
        raise BadRecord(f"input: expected text, found {shown(about)}")
    asked = "\n\n".join(part for part in (_text(record, "instruction"), about) if part.strip())
    system = [Said("system", _text(record, "system"))] if record.get("system") else []
    return *system, Said("user", asked), Said("assistant", _text(record, "output"))


def _sharegpt(record: Record) -> tuple[Said, ...]:
    turns = record["conversations"]
    named = ("role", "content") if isinstance(turns, list) and turns and "role" in turns[0] else ("from", "value")
    system = [Said("system", _text(record, "system"))] if record.get("system") else []
    return *system, *_said(turns, "conversations", *named)


READERS: dict[str, Callable[[Record], tuple[Said, ...]]] = {
    "messages": _messages,
    "completion": _completion,
    "instruction": _instruction,
    "sharegpt": _sharegpt,
}


def _said(values: Any, where: str, role: str, content: str) -> tuple[Said, ...]:
    """Read a list of messages. A record with images, or with calls of tools, cannot be used as text."""
    if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
        raise BadRecord(f"{where}: expected a list of messages, found {shown(values)}")
    return tuple(_one(value, f"{where}[{place}]", role, content) for place, value in enumerate(values))


def _one(value: Record, where: str, role: str, content: str) -> Said:
    name = value.get(role)
    if name == "function_call" or value.get("tool_calls") or value.get("function_call"):
        raise Unusable(CALLS)
    if not isinstance(name, str) or name.lower() not in ROLES:
        raise BadRecord(f"{where}: unknown {role} {shown(name)}{nearest(str(name), ROLES)}")
    if value.get("weight", 1) not in (0, 1):
        raise BadRecord(f"{where}: weight {shown(value['weight'])}, expected 0 or 1")
    text = _joined(value.get(content), f"{where}.{content}")
    return Said(ROLES[name.lower()], text, bool(value.get("weight", 1)))  # type: ignore[arg-type]


def _joined(value: Any, where: str) -> str:
    """Return a message's content, which may come in parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and all(isinstance(part, Mapping) for part in value):
        kinds = {part.get("type") for part in value}
        if kinds - {"text", "input_text", "output_text"}:
            raise Unusable(f"content of type {', '.join(sorted(map(str, kinds)))}, which is not text")
        return "".join(_text(part, "text") for part in value)
    raise BadRecord(f"{where}: expected text, found {shown(value)}")


def _text(record: Record, key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise BadRecord(f"{key}: expected text, found {shown(value)}")
    return value
