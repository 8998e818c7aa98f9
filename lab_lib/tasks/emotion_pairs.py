"""Preferences between replies with a requested emotion: the pairs of a file, and the reward that chose them.

`lab pairs` writes the file, one row per pair. The judge that rewards has learned from another half of train than those
that score, and fluency is rewarded by another model than the one that measures it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lab_lib.config import as_dict
from lab_lib.corpora.dailydialog.types import EMOTIONS, Talk
from lab_lib.errors import LabError, nearest
from lab_lib.evaluation.judges.card import even
from lab_lib.evaluation.judges.store import QUICK, Found, find_judge, judge_folder
from lab_lib.files import expanded, read_jsonl, sha256
from lab_lib.prompts.conversation import question
from lab_lib.tasks.base import files_below
from lab_lib.tasks.emotion_fluency import Fluency
from lab_lib.tasks.emotion_text import keep_template, layout, messages
from lab_lib.texts import is_blank
from lab_lib.training.preferences import Preference

REWARD = "reward_"  # the names of its settings begin with this


@dataclass(frozen=True)
class Pair:
    """The chosen and the rejected reply for one history and one requested emotion."""

    emotion: str
    chosen: str
    rejected: str


class PreferredReplies:
    """The preferences of the task emotion."""

    config: Any
    data: Any
    prompt: Any
    decoding: Any

    @cached_property
    def given_pairs(self) -> Mapping[str, Sequence[Pair]]:
        """{key of the dialogue: its pairs} of the file `task.pairs`."""
        if not self.config.pairs:
            raise LabError("training.objective=dpo: task.pairs names no file; make one with `lab pairs RUN`")
        return read_pairs(expanded(self.config.pairs))

    def check_preferences(self) -> None:
        """Raise LabError where there is no file of pairs, or a damaged one."""
        _ = self.given_pairs  # read here for the first time

    def preferences(self, item: Talk, tokenizer: Any) -> list[Preference]:
        """Return the pairs of an item: its history with a request, and two replies of the model that began."""
        keep_template(tokenizer, self.prompt, self.config.template)
        where, template = layout(tokenizer, self.prompt, self.config.template), self.config.template
        found = []
        for pair in self.given_pairs.get(item.key, ()):
            *before, answer = messages(item, template, self.prompt.instruction, pair.emotion)
            prompt = question(before, answer, item.key, where, self.decoding.max_new_tokens)
            chosen, rejected = (
                where.pieces([*before, replace(answer, text=text)])[-1].supervised
                for text in (pair.chosen, pair.rejected)
            )
            found.append(Preference(f"{item.key} {pair.emotion}", prompt.ids, chosen, rejected))
        return found

    # ---- reward ------------------------------------------------------------------------------------------------
    @cached_property
    def _rewarder(self) -> Found:
        return find_judge(QUICK[0], self.data.corpus, "reward")

    @cached_property
    def _reward_fluency(self) -> Fluency:
        return Fluency(self.config.reward_fluency_model)

    def rewards(self, item: Talk, answers: Sequence[Mapping[str, Any]]) -> list[float]:
        """Return how good replies are, with the weights of the config; a model is loaded only where one counts."""
        config, said = self.config, [answer["response"] for answer in answers]
        found = even(self._rewarder.judge.probabilities(said), self._rewarder.card["priors"])
        fluent = self._reward_fluency.per_token(item, said) if config.reward_fluency else [0.0] * len(said)
        return [
            config.reward_control * float(row[EMOTIONS.index(answer["emotion"])])
            + config.reward_ending * text.rstrip().endswith((".", "!", "?"))
            - config.reward_length * min(1.0, abs(len(text.split()) / config.reward_words - 1))
            + config.reward_fluency * nats
            for row, answer, text, nats in zip(found, answers, said, fluent, strict=True)
        ]

    def reward_origin(self) -> Mapping[str, Any]:
        """Return the weights of the reward, and the judge with the hash of its files."""
        folder, judge = judge_folder(QUICK[0], self.data.corpus, "reward"), self._rewarder.card
        files = {name: sha256(path) for name, path in files_below(folder).items()}
        return {
            "weights": {name: value for name, value in as_dict(self.config).items() if name.startswith(REWARD)},
            "judge": {name: judge[name] for name in ("judge", "corpus", "half")} | {"sha256": files},
        }


def read_pairs(path: Path) -> Mapping[str, Sequence[Pair]]:
    """Return {key of the dialogue: its pairs}. Raises LabError, naming the file and the row, for a damaged one."""
    found: dict[str, list[Pair]] = {}
    for number, row in enumerate(read_jsonl(path), 1):
        where = f"{path}: row {number}"
        texts = [row.get(name) for name in ("key", "emotion", "chosen", "rejected")]
        if not all(isinstance(text, str) and not is_blank(text) for text in texts):
            raise LabError(f"{where}: expected texts under key, emotion, chosen and rejected")
        key, emotion, chosen, rejected = map(str, texts)
        if emotion not in EMOTIONS:
            raise LabError(f"{where}: no emotion '{emotion}'{nearest(emotion, EMOTIONS)}")
        if chosen == rejected:
            raise LabError(f"{where}: the chosen reply is the rejected one")
        found.setdefault(key, []).append(Pair(emotion, chosen, rejected))
    return found
