"""One function call as data, and the one error for text that is not a call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.errors import LabError

# Every reason for refusing a text, in words for reports.
REASONS = {
    "not_text": "the output is not text",
    "empty": "the output is empty",
    "too_long": "the text is too long",
    "too_deep": "values are nested too deeply",
    "too_large": "a value is too large",
    "code_fence": "the call stands in backticks or a code fence",
    "prose": "there is text around the call",
    "syntax": "not a Python expression",
    "arguments": "the arguments are not JSON",
    "not_a_call": "neither a call nor a list of calls",
    "odd_name": "the function name is not a dotted name",
    "starred": "* or ** unpacks arguments",
    "repeated_argument": "an argument is given twice",
    "too_many_positional": "more positional arguments than parameters",
    "bare_name": "a value is a name without quotes",
    "nested_call": "a value is itself a call",
    "arithmetic": "an expression that cannot be computed",
    "unsupported": "a value of a kind that is not accepted",
}


class ParseError(LabError):
    """Text that is not a function call; `reason` is a key of REASONS, the message shows the text."""

    def __init__(self, reason: str, found: str = "") -> None:
        """`found` is shown after the reason's words, on one line, cut to 80 characters."""
        self.reason = reason
        # Python accepts half a surrogate pair as text, but terminals and files do not.
        shown = " ".join(found[:80].split()).encode(errors="backslashreplace").decode()
        super().__init__(f"{REASONS[reason]}: {shown}" if shown else REASONS[reason])


@dataclass(frozen=True)
class Call:
    """One call: its dotted name, keyword arguments and positional ones, all plain values.

    Under the official rules positional arguments are not read: `positional` is empty and `dropped` counts them,
    and `**x` is an argument whose name is None.
    """

    name: str
    arguments: Mapping[str | None, Any]
    positional: tuple[Any, ...] = ()
    dropped: int = 0


def render_call(call: Call) -> str:
    """Return the call as text that `parse_calls` reads back as the same call.

    >>> render_call(Call("hotel.find", {"area": "north", "stars": 4}))
    "hotel.find(area='north', stars=4)"
    """
    arguments = [repr(value) for value in call.positional]
    arguments += [f"{name}={value!r}" for name, value in call.arguments.items()]
    return f"{call.name}({', '.join(arguments)})"


def render_calls(calls: Sequence[Call]) -> str:
    """Return calls with keyword arguments as one training text: a single call, or a list of several or no calls.

    Texts, also in lists, are in double quotes and escaped as in JSON, which Python reads as the same text.
    `parse_calls` reads them back.

    >>> render_calls([Call("find_hotel", {"area": "north"})]), render_calls([])
    ('find_hotel(area="north")', '[]')
    """
    written = [f"{call.name}({', '.join(f'{n}={literal(v)}' for n, v in call.arguments.items())})" for call in calls]
    return written[0] if len(written) == 1 else f"[{', '.join(written)}]"


def literal(value: Any) -> str:
    """Return a value as written in the text of a call.

    >>> print(literal(["O'Hare", 5.0, True, None]))
    ["O'Hare", 5.0, True, None]
    """
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
