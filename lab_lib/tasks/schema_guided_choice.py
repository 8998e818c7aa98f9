"""The part of the schema-guided task that chooses a function by model and retrieval together (`task.combine`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from lab_lib.decoding.candidates import Candidates
from lab_lib.tasks.schema_guided_answers import Answers
from lab_lib.tasks.schema_guided_combine import Options, fit_weights, held_out_weights
from lab_lib.tasks.schema_guided_data import GuidedItem
from lab_lib.tasks.schema_guided_prepare import BEST
from lab_lib.tasks.schema_guided_text import Question, function_answer, function_question
from lab_lib.tasks.splits import draw

FITTED = 1500  # utterances of dev that the weights are fitted on, drawn with the seed of the data


class ChoosesTogether:
    """Measures the log probabilities of the options, fits the weights on dev, and chooses with them."""

    config: Any
    corpus: Any
    data: Any
    functions: Any
    log_probs: Mapping[str, Mapping[str, float]]
    prompter: Any
    retrieved: Any
    shown: Any

    def candidates(self, item: GuidedItem, tokenizer: Any) -> Candidates:
        """Return the options of the question about the function; {} where nothing is fitted or chosen with them."""
        if not self.config.combine or (item.split != self.data.report_split and item.key not in self._fitted_on):
            return {}
        found: Candidates = self.prompter(tokenizer).options(self.asked(item))
        return found

    def calibrate(self, dev: Sequence[GuidedItem]) -> None:
        """Fit the weights on dev; an utterance of dev is judged by weights that were fitted without it."""
        fitted = [item for item in dev if item.key in self._fitted_on]
        asked = [(self._options(item), item.target) for item in fitted]
        self.weights = fit_weights(asked)
        judged = held_out_weights(asked) if self.data.report_split == self.data.dev_split else []
        self._held_out = {item.key: weights for item, weights in zip(fitted, judged, strict=False)}

    def chosen_question(self, item: GuidedItem, question: Question) -> Question:
        """Return the question about the function with a single allowed answer: the option of largest probability."""
        name = self._options(item).chosen(self._held_out.get(item.key, self.weights))
        return replace(question, answers=Answers((function_answer(name, self.shown(item), self.config),)))

    def _options(self, item: GuidedItem) -> Options:
        """Return the options of an item with what was measured and retrieved for it."""
        described = self.retrieved.chosen[BEST][item.key]
        return Options.of(self.log_probs[item.key], self.shown(item), described, self._exemplified, self.config)

    def asked(self, item: GuidedItem) -> Question:
        """Return the question about the function of an item."""
        return function_question(item.said, self.shown(item), self.functions(item.split), self.config)

    @cached_property
    def _fitted_on(self) -> frozenset[str]:
        items = self.corpus.items()[self.data.dev_split]
        return frozenset(item.key for item in draw(items, FITTED, self.data.seed))

    @cached_property
    def _exemplified(self) -> frozenset[str]:
        return frozenset(one.target_name for one in self.corpus.indexed)
