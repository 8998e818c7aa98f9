"""The back end of a chat with a model that calls functions: the belief state, and a venue's data in replies."""

from __future__ import annotations

import re
from typing import Any

from lab_lib.corpora.values import normalise_slot
from lab_lib.prompts.belief import Belief, current_service, read_calls
from lab_lib.prompts.end_to_end import BackEnd, answer, offered
from lab_lib.tasks.response import ResponseTask

PLACEHOLDER = re.compile(r"\[(\w+)\]")


class Guide:
    """Follows the calls of one conversation as the database sees them."""

    def __init__(self, task: ResponseTask) -> None:
        self.back_end, self.belief = BackEnd.of(task.corpus), Belief()

    def follow(self, call: str) -> tuple[tuple[str, ...], str]:
        """Apply what a model wrote as its calls; return (problems, the database's answer)."""
        calls, problems = read_calls(call, self.back_end.functions)
        self.belief = self.belief.after(calls)
        return problems, answer(self.belief, self.back_end.database)

    def fill(self, reply: str) -> str:
        """Replace placeholders by the data of the first matching venue; unknown ones stay.

        A second `[name]` is the second venue's, as in the history the model reads. A reference is not known: nothing
        is booked here.
        """
        service = current_service(self.belief)
        wished = self.belief.state.get(service, {}) if service else {}
        venues = self.back_end.database.rows(service, wished) if service else []
        names = iter(offered(reply, self.belief, self.back_end.database))
        known: dict[str, Any] = {normalise_slot(name): value for name, value in wished.items()}
        known |= {**(venues[0] if venues else {}), "choice": len(venues)}

        def value(found: re.Match[str]) -> str:
            name = normalise_slot(found[1])
            return str(next(names, found[0]) if name == "name" else known.get(name, found[0]))

        return PLACEHOLDER.sub(value, reply)
