"""How a message is written: the few strings around each role's text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["instruction", "user", "context", "call", "found", "plan", "bot", "named", "left"]
LEARNT: tuple[Role, ...] = ("call", "plan", "bot")  # what the model writes


@dataclass(frozen=True)
class Template:
    """Strings before and after each role's text.

    A message becomes `prefix[role] + " " + text + end[role]`; a message that is learnt ends with the tokenizer's EOS
    token (never a string that has to be searched for) followed by `end[role]`, which is not learnt.
    """

    name: str
    prefix: Mapping[Role, str]
    end: Mapping[Role, str]


# The prefixes of user and bot are those of the 2023 lab, so its prompts stay recognisable. `context` carries the
# gold belief state and database result of the coming reply; `call` the state as the model writes it, `found` the
# answer of the database to that; `plan` the dialogue acts of the coming reply; `named` the venues a reply
# named, which stand in it as `[name]`; `left` how many turns are still to come.
PLAIN = Template(
    name="plain",
    prefix={
        "instruction": "task>",
        "user": "user>",
        "context": "state>",
        "call": "call>",
        "found": "found>",
        "plan": "plan>",
        "bot": "bot>",
        "named": "named>",
        "left": "left>",
    },
    end=dict.fromkeys(get_args(Role), "\n"),
)
