"""The section `task` of the task response: its settings, which of them have no effect, and the files it reads."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lab_lib.corpora.load import corpus_files
from lab_lib.errors import LabError
from lab_lib.files import expanded
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.tasks import TaskConfig
from lab_lib.tasks.base import files_below


@dataclass(frozen=True)
class ResponseConfig(DialogueConfig, TaskConfig):
    """The contents of a dialogue's prompts, and the rules for scoring its replies."""

    # Number of training dialogues in every prompt as examples, drawn with data.seed: for a model that is not trained
    # (training.steps=0). Their tokens are read once per batch, because all prompts share this beginning.
    examples: int = 0
    # With predict_state. constrained: the model can write only functions and arguments of the corpus's schema, and only
    # the listed values of a slot that lists them (extra `constrained`). It helps a model that makes errors of form; it
    # cannot correct a wrong value.
    calls: Literal["free", "constrained"] = "free"
    # 2022: the scorer of all published rows; 2023: with the later rule for hotel names.
    rules: Literal["2022", "2023"] = "2022"
    # The source of a turn's domain. given: the predictions' active_domains if every turn has them, otherwise as with
    # estimated; estimated: from changes of the state; slot_names: from placeholders like [hotel_name].
    active: Literal["given", "estimated", "slot_names"] = "given"
    # The tables. mwz: the MultiWOZ scorer's. states: predicted belief states and calls (automatic with predict_state).
    # text: BLEU, chrF and ROUGE of the unmodified replies. embedding: relevance to the user's words.
    metrics: tuple[Literal["mwz", "states", "text", "embedding"], ...] = ("mwz",)
    stemmer: bool = False  # ROUGE with Porter stemming; values with and without it cannot be compared
    embedding_model: str | None = None  # for metric embedding: folder or hub name of a sentence-transformers model
    pairs: str | None = None  # with training.objective=dpo: the file that `lab pairs RUN` wrote

    def __post_init__(self) -> None:
        """Refuse contradictory settings and empty tables."""
        super().__post_init__()
        if not self.metrics:
            raise LabError("task.metrics: none given; valid: mwz, states, text, embedding")
        if self.calls == "constrained" and not self.predict_state:
            raise LabError("task.calls=constrained needs task.predict_state: without it the model writes no calls")
        if self.examples < 0:
            raise LabError(f"task.examples={self.examples}: expected 0 or more")
        if self.examples and self.predict_state:
            raise LabError("task.examples shows dialogues with their gold states: it excludes task.predict_state")
        if ("embedding" in self.metrics) != bool(self.embedding_model):
            raise LabError("task.metrics: 'embedding' goes with task.embedding_model, a folder or hub name")


def idle_settings(tables: Collection[str]) -> dict[str, str]:
    """Return {setting: why it has no effect} for a choice of tables."""
    found = {} if "mwz" in tables else dict.fromkeys(("task.rules", "task.active"), "without 'mwz' in task.metrics")
    return found if "text" in tables else {**found, "task.stemmer": "without 'text' in task.metrics"}


def response_files(corpus: str, config: ResponseConfig) -> dict[str, Path]:
    """Return {name: path} of the files of a corpus, of an embedding model in a folder, and of preference pairs."""
    more = files_below(expanded(config.embedding_model)) if config.embedding_model else {}
    found = {**corpus_files(corpus), **{f"embedding_model/{name}": path for name, path in more.items()}}
    return {**found, "pairs": expanded(config.pairs)} if config.pairs else found
