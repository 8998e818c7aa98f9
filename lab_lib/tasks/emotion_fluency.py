"""The log probability of replies, given their histories, under a language model that did not write them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from lab_lib.corpora.dailydialog.types import Talk
from lab_lib.evaluation.perplexity import Text, model_log_probs, text_counts
from lab_lib.models.config import ModelConfig
from lab_lib.tasks.emotion_measures import Replies
from lab_lib.tasks.emotion_text import history

LONGEST = 512  # maximum tokens of a history with its reply


class Fluency:
    """The judging model; it is loaded on first use, and its results are cached."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._found: dict[tuple[str, str], tuple[float, int, float]] = {}

    def counts(self, replies: Replies) -> np.ndarray:
        """Return for each reply (minus its log probability, its words), those of an empty one 0."""
        pairs = zip(replies.place, replies.texts, strict=True)
        return np.array([self._one(replies.talks[place], text)[::2] for place, text in pairs])

    def per_token(self, talk: Talk, replies: Sequence[str]) -> list[float]:
        """Return the log probability of each reply per token, in nats; an empty reply has 0."""
        found = [self._one(talk, reply) for reply in replies]
        return [-loss / max(tokens, 1) for loss, tokens, _ in found]

    def _one(self, talk: Talk, reply: str) -> tuple[float, int, float]:
        key = (talk.key, reply)
        if key not in self._found:
            tokenizer, log_probs = self._model
            past = tokenizer(" ".join(one.text for one in history(talk)))["input_ids"][-LONGEST // 2 :]
            ids = tokenizer(f" {reply}", add_special_tokens=False)["input_ids"] if reply else []
            counted = (False,) * len(past) + (True,) * len(ids)
            self._found[key] = text_counts(Text((*past, *ids), counted, len(reply.split())), log_probs, LONGEST)
        return self._found[key]

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        from lab_lib.models.model import generation_mode, load_model

        loaded = load_model(ModelConfig(self.name, quantisation="none"))
        generation_mode(loaded.model)
        return loaded.tokenizer, model_log_probs(loaded.model)
