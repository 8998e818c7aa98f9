"""`lab understand train-embedder`: tune the embedder on the training split, with early stopping on the dev split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lab_lib.errors import LabError
from lab_lib.exemplars.corpus import ExemplarCorpus
from lab_lib.exemplars.select import at_most, distinct, without_words_of
from lab_lib.retrieval.config import LEARN_PER_FUNCTION
from lab_lib.retrieval.embedder import EmbedderConfig, Judge, train_embedder
from lab_lib.understand.data import AskConfig, Asked, choose


@dataclass(frozen=True)
class TuneConfig(AskConfig):
    """Training data of the embedder. The index and the queries for model selection are those of find-k."""

    learn_per_function: int = LEARN_PER_FUNCTION  # training exemplars; the index is drawn separately
    embedder: EmbedderConfig = field(default_factory=EmbedderConfig)


def tune(corpus: ExemplarCorpus, config: TuneConfig, folder: Path, log: Callable[[str], None]) -> Path:
    """Tune an embedder on the index split; return the folder of the model.

    Training exemplars share no words with the queries. Raises LabError if the test split would select the model.
    """
    if config.queries == "test":
        raise LabError("queries=test: the split that selects the model must not be the one that is reported")
    asked: Asked = choose(corpus, config)
    for line in asked.notes:
        log(line)
    part = corpus.part(config.index)
    learned = without_words_of(distinct(part.exemplars)[0], asked.queries)
    learned = at_most(learned, config.learn_per_function, config.seed)
    log(f"training on {len(learned)} exemplars and {len(part.documents)} descriptions of {config.index}")
    judge = Judge(asked.documents, asked.exemplars, asked.queries)
    return train_embedder(folder, learned, part.documents, judge, config.embedder, log)
