"""Talking to a model that calls functions: what it called, what the database said, its reply with a venue's data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.corpora.values import normalise_slot
from lab_lib.decoding.generate import generate_answers
from lab_lib.prompts.belief import Belief, current_service, read_calls
from lab_lib.prompts.encode import Prompt, answer_text
from lab_lib.prompts.end_to_end import BackEnd, offered
from lab_lib.prompts.end_to_end import answer as database_answer
from lab_lib.tasks.base import Task
from lab_lib.tasks.response import ResponseTask

PLACEHOLDER = re.compile(r"\[(\w+)\]")


@dataclass(frozen=True)
class Answer:
    """One system turn: the calls as written, what was wrong with them, the database's answer, and the reply twice.

    `reply` is delexicalised, as the model wrote it; `filled` has a venue's data in it.
    """

    call: str
    problems: tuple[str, ...]
    found: str
    reply: str
    filled: str


def answer(
    messages: Sequence[Mapping[str, str]], loaded: Any, task: Task[Any], written: list[list[int]]
) -> tuple[Prompt, str]:
    """Return the prompt of the model's reply to the messages so far (the last one is the user's), and the reply.

    `written` holds the token ids of all that it wrote before, intermediate steps and replies, and gets what it writes
    now.
    """
    talk = task.converse(task.item_from({"messages": messages}), loaded.tokenizer)
    prompt = next(talk)
    for ids in written:
        prompt = talk.send(ids)
    while True:
        written += generate_answers(loaded.model, loaded.tokenizer, [prompt], task.decoding)
        if prompt.asks == "reply":
            return prompt, answer_text(written[-1], loaded.tokenizer)
        prompt = talk.send(written[-1])


class Guide:
    """A model with its back end, and what it has written so far in one conversation."""

    def __init__(self, loaded: Any, task: ResponseTask) -> None:
        self.loaded, self.task = loaded, task.for_chat()
        self.back_end, self.belief = BackEnd.of(task.corpus), Belief()
        self.written: list[list[int]] = []

    def answer(self, messages: Sequence[Mapping[str, str]]) -> Answer:
        """Return the model's turn after some messages, the last of which is a new one of the user."""
        prompt, reply = answer(messages, self.loaded, self.task, self.written)
        calls, problems = read_calls(prompt.facts["call"], self.back_end.functions)
        self.belief = self.belief.after(calls)
        found = database_answer(self.belief, self.back_end.database)
        return Answer(prompt.facts["call"], problems, found, reply, self.fill(reply))

    def fill(self, reply: str) -> str:
        """Put the data of the first venue that fits in the place of placeholders; what is not known stays.

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
