"""Preferences between replies of a dialogue: a reward that can be verified, and the pairs that were made with it.

The reward of all replies of a dialogue is (Inform + Success) / 2 by the MultiWOZ scorer, 0, 0.5 or 1: whether a
matching venue was offered, and every requested fact given. It needs no judge that could be fooled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lab_lib.corpora.types import Dialogue
from lab_lib.errors import LabError
from lab_lib.files import expanded, read_jsonl
from lab_lib.prompts.conversation import question
from lab_lib.prompts.dialogue import dialogue_messages, title
from lab_lib.prompts.templates import layout_for
from lab_lib.texts import is_blank
from lab_lib.training.preferences import Preference


@dataclass(frozen=True)
class TurnPair:
    """The chosen and the rejected reply at one system turn, counted from 0."""

    turn: int
    chosen: str
    rejected: str


class Preferred:
    """The preferences of the task response."""

    config: Any
    data: Any
    prompt: Any
    decoding: Any
    database: Any
    shown: Any
    scorer: Any

    @cached_property
    def given_pairs(self) -> Mapping[str, Sequence[TurnPair]]:
        """{key of the dialogue: its pairs} of the file `task.pairs`."""
        if not self.config.pairs:
            raise LabError("training.objective=dpo: task.pairs names no file; make one with `lab pairs RUN`")
        return read_turn_pairs(expanded(self.config.pairs))

    def check_preferences(self) -> None:
        """Raise LabError where there is no file of pairs, or a damaged one."""
        _ = self.given_pairs  # read here for the first time

    def preferences(self, item: Dialogue, tokenizer: Any) -> list[Preference]:
        """Return the pairs of a dialogue: the gold history up to a turn, and two replies of the model that began."""
        if item.key not in self.given_pairs:
            return []
        layout, room = layout_for(tokenizer, self.prompt), self.decoding.max_new_tokens
        said = dialogue_messages(item, self.prompt, self.config, self.database, self.shown)
        replies = {m.turn: place for place, m in enumerate(said) if m.supervised and not m.name and not m.example}
        found = []
        for pair in self.given_pairs[item.key]:
            if pair.turn not in replies:
                raise LabError(f"{self.config.pairs}: {item.key} has no system turn {pair.turn}")
            before, answer = said[: replies[pair.turn]], said[replies[pair.turn]]
            prompt = question(before, answer, item.key, layout, room, title(item))
            chosen, rejected = (
                layout.pieces([*before, replace(answer, text=text)])[-1].supervised
                for text in (pair.chosen, pair.rejected)
            )
            found.append(Preference(f"{item.key} turn {pair.turn}", prompt.ids, chosen, rejected))
        return found

    def reward(self, item: Dialogue, answers: Sequence[Mapping[str, Any]]) -> float:
        """Return (Inform + Success) / 2 of a dialogue with these replies. Raises LabError for one without a goal."""
        replies = [{"response": answer["response"]} for answer in answers]
        marks = self.scorer([item]).score({item.key: replies}, resamples=0).per_dialogue[item.key]
        if not marks.match:
            raise LabError(f"{title(item)}: no goal, so Inform and Success say nothing of its replies")
        return (float(marks.match["total"]) + float(marks.success.get("total", False))) / 2

    def reward_origin(self) -> Mapping[str, Any]:
        """Return the reward and the rules of its scorer."""
        return {"reward": "(Inform + Success) / 2", "rules": self.config.rules}


def read_turn_pairs(path: Path) -> Mapping[str, Sequence[TurnPair]]:
    """Return {key of the dialogue: its pairs}. Raises LabError, naming the file and the row, for a damaged one."""
    found: dict[str, list[TurnPair]] = {}
    for number, row in enumerate(read_jsonl(path), 1):
        where, turn = f"{path}: row {number}", row.get("turn")
        texts = [row.get(name) for name in ("key", "chosen", "rejected")]
        if not all(isinstance(text, str) and not is_blank(text) for text in texts):
            raise LabError(f"{where}: expected texts under key, chosen and rejected")
        if type(turn) is not int or turn < 0:
            raise LabError(f"{where}: turn is {turn!r:.40}, expected the number of a system turn, from 0")
        key, chosen, rejected = map(str, texts)
        if chosen == rejected:
            raise LabError(f"{where}: the chosen reply is the rejected one")
        found.setdefault(key, []).append(TurnPair(turn, chosen, rejected))
    return found
