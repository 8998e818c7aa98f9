"""Tune an embedding model so that texts with the same meaning are close: `lab understand train-embedder`.

Multiple negatives ranking (Henderson et al. 2017; with all four directions, Li et al. 2023): an utterance has to be
nearer to a text of its own function than to all others of its batch. Training stops when the recall that find-k uses
has not risen for some evaluations, and the best model is kept.

    folder/   checkpoints/ (while it trains; a killed run resumes from the last)   model/   training.json
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.config import as_dict
from lab_lib.errors import LabError
from lab_lib.exemplars.schema_functions import Document
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.files import read_json_or, write_json, writing
from lab_lib.folders import remove
from lab_lib.retrieval.config import EmbedderConfig, RetrievalConfig
from lab_lib.retrieval.embedder_head import train_head
from lab_lib.retrieval.embedder_trainer import figures_line, make_trainer
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.pairs import Triple, triples
from lab_lib.retrieval.recall import recall_at, retrieve
from lab_lib.retrieval.retriever import Query, Retriever

CHECKPOINTS, MODEL, TRAINING = "checkpoints", "model", "training.json"
Log = Callable[[str], None]


@dataclass(frozen=True)
class Judge:
    """What a model is measured by while it learns: an index of some exemplars, and utterances it never learns from."""

    documents: Sequence[Document]
    index: Sequence[AnnotatedExemplar]
    queries: Sequence[AnnotatedExemplar]

    def __call__(self, encoder: Encoder, config: EmbedderConfig) -> dict[str, float]:
        """Return {figure: value} of a model: `recall`, which chooses, and the parts of it."""
        retriever = Retriever(self.documents, self.index, RetrievalConfig(exemplars="embedding"), encoder)
        found = retrieve(retriever, self.queries, max(4, config.descriptions), max(1, config.exemplars))
        both = np.hstack([found.described[:, : config.descriptions], found.owners[:, : config.exemplars]])
        return {
            "recall": recall_at(both, found.gold, both.shape[1]),
            "exemplar@1": recall_at(found.owners, found.gold, 1),
            "description@4": recall_at(found.described, found.gold, 4),
        }


def train_embedder(
    folder: Path,
    exemplars: Sequence[AnnotatedExemplar],
    documents: Sequence[Document],
    judge: Judge,
    config: EmbedderConfig,
    log: Log,
) -> Path:
    """Tune a model on exemplars and descriptions; return the folder of the best one.

    A finished folder is returned as it is, an unfinished one is resumed. Raises LabError for a folder of other
    settings, missing packages, and exemplars of a single function.
    """
    known = read_json_or({}, folder / TRAINING)
    if known and known["settings"] != as_dict(config):
        raise LabError(f"{folder}: begun with other settings; choose another folder")
    if (folder / MODEL).exists():
        log(f"the embedder is complete ({folder / MODEL})")
        return folder / MODEL
    encoder = Encoder(config.start)
    rows = triples(
        exemplars, documents, config.described, config.seed, _neighbours(exemplars, documents, encoder, config)
    )
    rows = [row for row in rows if row.negative or not config.hard]
    if len({row.functions[0] for row in rows}) < 2:
        raise LabError("embedder: exemplars of at least two functions are needed, each with another text")
    write_json(folder / TRAINING, {"settings": as_dict(config), "triples": len(rows)})
    first = judge(encoder, config)
    log(figures_line(0, first))
    if config.layers == "head":
        model, judged = train_head(encoder, rows, lambda found: judge(found, config), config, log)
    else:
        model, judged = _train_all(folder / CHECKPOINTS, encoder.model, rows, judge, config, log)
    best = max(judged, key=lambda row: row["recall"])  # of equal ones the first: so both ways of training choose
    tuned = {name: value for name, value in best.items() if name != "step"}
    if tuned["recall"] <= first["recall"]:
        log("tuning did not raise the recall; the model is kept, and its measures show this")
    _save(model, folder)
    figures = {"settings": as_dict(config), "triples": len(rows), "untuned": first, "tuned": tuned, "log": judged}
    write_json(folder / TRAINING, figures)
    remove(folder / CHECKPOINTS)
    return folder / MODEL


def _train_all(
    checkpoints: Path, model: Any, rows: Sequence[Triple], judge: Judge, config: EmbedderConfig, log: Log
) -> tuple[Any, list[dict[str, float]]]:
    """Tune the whole model, from the last checkpoint if there is one."""

    def figures(found: Any) -> dict[str, float]:
        return judge(Encoder(config.start, model=found), config)

    trainer = make_trainer(checkpoints, model, rows, figures, config, log)
    resumed = any(checkpoints.glob("checkpoint-*"))
    trainer.train(resume_from_checkpoint=resumed or None)
    return trainer.model, trainer.judged


def _save(model: Any, folder: Path) -> None:
    """Write the model, whole or not at all."""
    temporary = folder / f"{MODEL}.tmp"
    remove(temporary)
    with writing(folder / MODEL):
        model.save(str(temporary), create_model_card=False)
        temporary.rename(folder / MODEL)


def _neighbours(
    exemplars: Sequence[AnnotatedExemplar], documents: Sequence[Document], encoder: Encoder, config: EmbedderConfig
) -> np.ndarray | None:
    """Return what the untuned model finds for each exemplar, never itself; None without hard negatives."""
    if not config.hard:
        return None
    retriever = Retriever(documents, exemplars, RetrievalConfig(exemplars="embedding"), encoder)
    return retriever.places([Query.of(one) for one in exemplars], config.hard)
