"""`lab understand train-embedder`: a corpus's training split tunes the embedder, its dev split says when to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lab_lib.errors import LabError
from lab_lib.exemplars.corpus import ExemplarCorpus
from lab_lib.exemplars.select import at_most, distinct, without_words_of
from lab_lib.retrieval.embedder import EmbedderConfig, Judge, train_embedder
from lab_lib.understand.data import AskConfig, Asked, choose


@dataclass(frozen=True)
class TuneConfig(AskConfig):
    """What the embedder learns from and is chosen on. The index and the queries are those of find-k."""

    learn_per_function: int = 500  # exemplars of a function to learn from; the index is made of others too
    embedder: EmbedderConfig = field(default_factory=EmbedderConfig)


def tune(corpus: ExemplarCorpus, config: TuneConfig, folder: Path, log: Callable[[str], None]) -> Path:
    """Tune an embedder on the index split; return the folder of the model.

    The queries never are among what is learned, by key or by words. Raises LabError for the test split as judge.
    """
    if config.queries == "test":
        raise LabError("queries=test: the split that chooses the model cannot be the one that is reported")
    asked: Asked = choose(corpus, config)
    for line in asked.notes:
        log(line)
    part = corpus.part(config.index)
    learned = without_words_of(distinct(part.exemplars)[0], asked.queries)
    learned = at_most(learned, config.learn_per_function, config.seed)
    log(f"learns from {len(learned)} exemplars and {len(part.documents)} descriptions of {config.index}")
    judge = Judge(asked.documents, asked.exemplars, asked.queries)
    return train_embedder(folder, learned, part.documents, judge, config.embedder, log)
