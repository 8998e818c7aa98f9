"""Tune the embedding model of a run before it retrieves: the first part of the stage `prepare`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lab_lib.exemplars.select import at_most, without_words_of
from lab_lib.retrieval.config import LEARN_PER_FUNCTION, EmbedderConfig
from lab_lib.retrieval.embedder import Judge, train_embedder
from lab_lib.tasks.schema_guided_data import GuidedCorpus, GuidedItem

FOLDER = "embedder"  # in the run folder, beside `prepared`: an interrupted tuning is resumed there


def tuned_embedder(
    corpus: GuidedCorpus, dev: Sequence[GuidedItem], config: EmbedderConfig, folder: Path, log: Callable[[str], None]
) -> Path:
    """Return the folder of a model that was tuned on the training split, without hidden families.

    As in `lab understand train-embedder`, the recall of dev utterances chooses the number of steps, and no exemplar
    with the words of such an utterance is learned. A finished folder is returned as it is, an unfinished one is
    resumed. Raises LabError as `train_embedder` does.
    """
    asking = [item for item in dev if item.known and not item.kind]
    queries = without_words_of([item.exemplar for item in asking], corpus.indexed)
    learned = at_most(without_words_of(corpus.learned, queries), LEARN_PER_FUNCTION, corpus.seed)
    log(f"embedder: {len(learned)} exemplars of {corpus.train} are learned, {len(queries)} utterances choose the steps")
    judge = Judge(corpus.documents(asking[0].split if asking else corpus.train), corpus.indexed, queries)
    return train_embedder(folder, learned, corpus.documents(corpus.train), judge, config, log).resolve()
