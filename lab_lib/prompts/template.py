"""How a message is written: the few strings around each role's text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["instruction", "user", "context", "bot"]


@dataclass(frozen=True)
class Template:
    """Strings before and after each role's text.

    A message becomes `prefix[role] + " " + text + end[role]`; the end of a bot message is the tokenizer's EOS
    token (never a string that has to be searched for) followed by `end["bot"]`, which is not learnt.
    """

    name: str
    prefix: Mapping[Role, str]
    end: Mapping[Role, str]


# The prefixes of user and bot are those of the 2023 lab, so its prompts stay recognisable. `context` carries the
# belief state and database result of the coming reply.
PLAIN = Template(
    name="plain",
    prefix={"instruction": "task>", "user": "user>", "context": "state>", "bot": "bot>"},
    end={"instruction": "\n", "user": "\n", "context": "\n", "bot": "\n"},
)
