"""The text of a function-calling question: the available functions, the messages, the expected calls."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.calls.bfcl import CallItem, Expected
from lab_lib.calls.call import Call, render_calls
from lab_lib.calls.schema import Function
from lab_lib.prompts.messages import Message, clean

LEFT_OUT = ""  # an accepted value meaning that the argument may be omitted


def question_messages(item: CallItem, instruction: str | None) -> list[Message]:
    """Return the messages before the answer: one system message with the functions, then the user's words."""
    given = [message["content"] for message in item.messages if message["role"] == "system"]
    system = " ".join(filter(None, [instruction, *given, offer(item.functions)]))
    users = [message["content"] for message in item.messages if message["role"] == "user"]
    return [Message("system", clean(system), 0), *(Message("user", clean(text), 0) for text in users)]


def offer(functions: Sequence[Function]) -> str:
    """Return functions as JSON, a common form in prompts, with their complete descriptions."""
    described = [
        {
            "name": function.name,
            "description": function.description,
            "parameters": {parameter.name: dict(parameter.raw) for parameter in function.parameters},
            "required": list(function.required),
        }
        for function in functions
    ]
    return f"Functions: {json.dumps(described, ensure_ascii=False)}"


def user_text(item: CallItem) -> str:
    """Return what the user says."""
    return " ".join(message["content"] for message in item.messages if message["role"] == "user")


def gold_text(item: CallItem) -> str:
    """Return the expected calls as the text to learn; `[]` if no call is expected.

    If any call is accepted (relevance), it is a call of the first function without arguments.
    """
    if "relevance" in item.category and "irrelevance" not in item.category:
        return render_calls([Call(item.functions[0].name, {})])
    return render_calls(gold_calls(item))


def gold_calls(item: CallItem) -> list[Call]:
    """Return the expected calls, each argument with its first accepted value.

    An argument that no function describes, or that is always omitted, is omitted.
    """
    functions = {function.name: function for function in item.functions}
    return [_call(expected, functions[expected.name]) for expected in item.answers]


def _call(expected: Expected, function: Function) -> Call:
    arguments: dict[str | None, Any] = {
        name: _first(values)
        for name, values in expected.arguments.items()
        if function.parameter(name) and any(value != LEFT_OUT for value in values)
    }
    return Call(expected.name, arguments)


def _first(values: Sequence[Any]) -> Any:
    """Return the first accepted value; inside a dictionary each key has accepted values of its own."""
    value = next(value for value in values if value != LEFT_OUT)
    return [_inside(entry) for entry in value] if isinstance(value, list) else _inside(value)


def _inside(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    listed = {key: values if isinstance(values, list | tuple) else [values] for key, values in value.items()}
    return {key: _first(values) for key, values in listed.items() if any(one != LEFT_OUT for one in values)}
