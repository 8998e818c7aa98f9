"""Functions of dialogue turns by model and retrieval together, for a run with `task.combine`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lab_lib.calls.skills.skill import Skills
from lab_lib.exemplars.schema_functions import document_text
from lab_lib.retrieval.retriever import Retriever
from lab_lib.tasks.schema_guided_combine import Options
from lab_lib.tasks.schema_guided_text import Question, Shown, Style, function_answer

LogProbs = Callable[[Sequence[Question]], Sequence[Mapping[str, float]]]  # questions -> {answer: its log probability}


@dataclass(frozen=True)
class Turn:
    """A question about the function of a user turn, with what its prompt shows.

    `functions` are those of the dialogue's services, in their wording; `known` are those with exemplars in the index.
    """

    utterance: str
    question: Question
    shown: Shown
    functions: Skills
    known: frozenset[str]


@dataclass(frozen=True)
class Together:
    """The weights of a run, and what measures the model's log probabilities."""

    weights: np.ndarray
    log_probs: LogProbs
    # {description: its vector}: dialogues share services
    _described: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def choose(self, turns: Sequence[Turn], retriever: Retriever, style: Style) -> list[str]:
        """Return the answer of largest probability to each question."""
        found = self.log_probs([turn.question for turn in turns])
        nearest = self._nearest(turns, retriever)
        chosen = []
        for turn, answers, described in zip(turns, found, nearest, strict=True):
            name = Options.of(answers, turn.shown, described, turn.known, style).chosen(self.weights)
            chosen.append(function_answer(name, turn.shown, style))
        return chosen

    def _nearest(self, turns: Sequence[Turn], retriever: Retriever) -> list[str]:
        """Return the function of each turn whose description is nearest; "" where retrieval uses no embeddings."""
        if not retriever.config.needs_model:
            return [""] * len(turns)
        texts = [self._texts(turn) for turn in turns]
        new = sorted({text for one in texts for text in one.values()} - self._described.keys())
        if new:
            self._described.update(zip(new, retriever.encoder.documents(new), strict=True))
        nearest = []
        for own, query in zip(texts, retriever.encoder.queries([turn.utterance for turn in turns]), strict=True):
            like = {name: float(query @ self._described[text]) for name, text in own.items()}
            nearest.append(max(like, key=lambda name: like[name], default=""))
        return nearest

    @staticmethod
    def _texts(turn: Turn) -> dict[str, str]:
        return {name: document_text(name, skill.function.description) for name, skill in turn.functions.items()}
