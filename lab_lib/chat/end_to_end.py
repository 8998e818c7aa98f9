"""Talking to a model that calls functions: what it called, what the database said, its reply with a venue's data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.corpora.types import Corpus, Dialogue, Turn
from lab_lib.corpora.values import normalise_slot
from lab_lib.decoding.generate import generate_batch
from lab_lib.prompts.belief import Belief, current_service, read_calls
from lab_lib.prompts.encode import answer_text
from lab_lib.prompts.end_to_end import BackEnd, answer, converse_end_to_end, offered
from lab_lib.runs.config import RunConfig

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


class Guide:
    """A model with its back end, and what it has written so far in one conversation."""

    def __init__(self, loaded: Any, config: RunConfig, corpus: Corpus) -> None:
        self.loaded, self.config = loaded, config
        self.back_end, self.belief = BackEnd.of(corpus), Belief()
        self.written: list[list[int]] = []

    def answer(self, turns: Sequence[Turn]) -> Answer:
        """Return the model's turn after some turns, the last of which is a new one of the user."""
        tokenizer, settings = self.loaded.tokenizer, self.config.decoding
        dialogue, room = Dialogue("chat", (*turns, Turn("system", ""))), settings.max_new_tokens
        prompt_config, shown = self.config.prompt, self.config.task.dialogue
        talk = converse_end_to_end(dialogue, tokenizer, prompt_config, shown, self.back_end, room, own_replies=True)
        prompt = next(talk)
        for ids in self.written:  # what was said before
            prompt = talk.send(ids)
        call = self._write(prompt.ids, settings.writing("call"))
        prompt = talk.send(call)
        reply = answer_text(self._write(prompt.ids, settings), tokenizer)
        calls, problems = read_calls(prompt.facts["call"], self.back_end.functions)
        self.belief = self.belief.after(calls)
        found = answer(self.belief, self.back_end.database)
        return Answer(prompt.facts["call"], problems, found, reply, self.fill(reply))

    def _write(self, ids: Sequence[int], settings: Any) -> list[int]:
        """Let the model write one answer, and remember it."""
        self.written += generate_batch(self.loaded.model, self.loaded.tokenizer, [ids], settings)
        return self.written[-1]

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
