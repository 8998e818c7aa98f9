"""How a message is written in plain lines: the few strings around its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab_lib.prompts.messages import Message


@dataclass(frozen=True)
class Template:
    """Strings before and after the text of each kind of message (`Message.kind`).

    A message becomes `prefix + " " + text + end`; a supervised message ends with the tokenizer's EOS token (never a
    string that has to be searched for) followed by `end`, which is not supervised. A kind that `prefix` lacks is
    written as its own name: `state> area=north`.
    """

    name: str
    prefix: Mapping[str, str] = field(default_factory=dict)
    end: str = "\n"

    def before(self, kind: str) -> str:
        """Return the string before a message's text.

        >>> PLAIN.before("assistant"), PLAIN.before("state")
        ('bot>', 'state>')
        """
        return self.prefix.get(kind, f"{kind}>")

    def line(self, message: Message) -> str:
        """Return a message that is not supervised as it is written."""
        return f"{self.before(message.kind)} {message.text}{self.end}"


# lab-tiny was pretrained on these strings; those of user and bot are the 2023 lab's, so its prompts stay recognisable.
PLAIN = Template("plain", {"system": "task>", "user": "user>", "assistant": "bot>"})
