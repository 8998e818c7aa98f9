"""A conversation whose answers are written beforehand, for tests of what shows it."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from lab_lib.chat.session import Answer, nobody
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError
from lab_lib.tasks.talking import Fact

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
    task: Any = field(
        default_factory=lambda: SimpleNamespace(name="scripted", decoding=DecodeConfig(), choices=(), chosen="")
    )

    def answer(self, text: str, show: Any = nobody) -> Answer:
        if text == "error":
            raise LabError("out of memory: begin a new conversation")
        answer, words = REPLIES.get(text, OFFER), 0
        while words < len(answer.reply.split(" ")) or text == "endless":
            words += 1
            show(" ".join(answer.reply.split(" ")[:words]))
            time.sleep(0.01)
        if self.task.choices:
            answer = dict(self.each(text))[self.task.chosen]
        self.turns.append((text, answer))
        self.state = None if self.state is None else answer.state
        return answer

    @classmethod
    def with_choices(cls) -> ScriptedSession:
        """Return one whose replies can be calm or angry."""
        made = cls(state=None)
        made.task.choices, made.task.chosen = ("calm", "angry"), "calm"
        made.task.choose = lambda choice: setattr(made.task, "chosen", choice)
        return made

    def each(self, text: str, show: Any = nobody) -> Generator[tuple[str, Answer], None, None]:
        for choice in self.task.choices:
            show("so far")
            reply = f"{choice} words about {text}"
            facts = (Fact("you", "calm"), *(Fact(f"judge {n}", "calm (90%)", choice == "calm") for n in ("one", "two")))
            yield choice, Answer(reply, reply, facts=facts)

    def reset(self) -> None:
        self.turns.clear()
        self.state = None if self.state is None else {}
