"""Talking to a model that calls functions: what it called, what the database said, its reply with a venue's data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.corpora.database import FUZZY
from lab_lib.corpora.types import Corpus, Dialogue, Turn
from lab_lib.corpora.values import normalise_slot
from lab_lib.decoding.generate import generate_batch
from lab_lib.prompts.belief import Belief, read_calls
from lab_lib.prompts.encode import answer_text
from lab_lib.prompts.end_to_end import BackEnd, answer, converse_end_to_end
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
        self.loaded, self.config, self.tables = loaded, config, corpus.database
        self.back_end, self.belief = BackEnd.of(corpus), Belief()
        self.written: list[list[int]] = []

    def answer(self, turns: Sequence[Turn]) -> Answer:
        """Return the model's turn after some turns, the last of which is a new one of the user."""
        tokenizer, settings = self.loaded.tokenizer, self.config.decoding
        dialogue, room = Dialogue("chat", (*turns, Turn("system", ""))), settings.max_new_tokens
        talk = converse_end_to_end(dialogue, tokenizer, self.config.prompt, self.back_end, room, own_replies=True)
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

        So does a reference: nothing is booked here.
        """
        service = next((name for name in reversed(self.belief.active) if name in FUZZY), None)
        wished = self.belief.state.get(service, {}) if service else {}
        ids = self.back_end.database.query(service, wished) if service else frozenset()
        column = "trainID" if service == "train" else "id"
        rows = (row for row in self.tables.get(service or "", ()) if str(row.get(column)) in ids)
        venue: Mapping[str, Any] = next(rows, {})
        known = {normalise_slot(name): value for name, value in [*wished.items(), *venue.items()]}
        known["choice"] = len(ids)
        return PLACEHOLDER.sub(lambda found: str(known.get(normalise_slot(found[1]), found[0])), reply)
