"""A conversation whose answers are written beforehand, for tests of what shows it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from lab_lib.chat.session import Answer, nobody
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError

EVIL = "<img src=x onerror='window.hacked = 1'><script>window.hacked = 1</script>"
STATE = {"hotel": {"area": "harbour", "pricerange": "cheap"}, "restaurant": {"food": "italian", "bookpeople": "4"}}
REPLIES = {
    "evil": Answer(EVIL, EVIL, EVIL, (EVIL,), EVIL, {EVIL: {EVIL: EVIL}}),
    "long": Answer(
        "many words " * 120, "many words " * 120, state=STATE, notes=("note: the oldest turn is forgotten",)
    ),
}
OFFER = Answer(
    "try [name] .", "try harbour inn .", 'find_hotel(area="harbour", pricerange="cheap")', (), "hotel: 2 found", STATE
)


@dataclass
class ScriptedSession:
    """A session without a model: `endless` is never finished, `error` fails, `REPLIES` has others by what is said."""

    state: Any = field(default_factory=dict)
    turns: list[Any] = field(default_factory=list)
    partner: Any = field(default_factory=lambda: SimpleNamespace(name="runs/town", notes=("note: of the run",)))
    task: Any = field(default_factory=lambda: SimpleNamespace(decoding=DecodeConfig()))

    def answer(self, text: str, show: Any = nobody) -> Answer:
        if text == "error":
            raise LabError("out of memory: begin a new conversation")
        answer, words = REPLIES.get(text, OFFER), 0
        while words < len(answer.reply.split(" ")) or text == "endless":
            words += 1
            show(" ".join(answer.reply.split(" ")[:words]))
            time.sleep(0.01)
        self.turns.append((text, answer))
        self.state = answer.state
        return answer

    def reset(self) -> None:
        self.turns.clear()
        self.state = {}
