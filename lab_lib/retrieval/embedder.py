"""Tuning an embedding model so that what is meant alike lies close: `lab understand train-embedder`.

Multiple negatives ranking (Henderson et al. 2017; with all four directions, Li et al. 2023): an utterance has to be
nearer to a text of its own function than to all others of its batch. Training stops when the recall that find-k uses
has not risen for some evaluations, and the best model is kept.

    folder/   checkpoints/ (while it trains; a killed run resumes from the last)   model/   training.json
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from lab_lib.models.embedders import MINILM
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.pairs import Triple, one_function_once, triples
from lab_lib.retrieval.recall import recall_at, retrieve
from lab_lib.retrieval.retriever import Retriever

CHECKPOINTS, MODEL, TRAINING = "checkpoints", "model", "training.json"
Log = Callable[[str], None]


@dataclass(frozen=True)
class EmbedderConfig:
    """How the embedding model is tuned."""

    start: str = MINILM  # the model to begin with, as retrieval.embeddings
    steps: int = 400  # at most; fewer where the recall stops rising
    # Utterances in a step, of as many functions; with hard negatives each brings a second function.
    batch: int = 32
    learning_rate: float = 3e-5
    warmup: float = 0.1  # share of the steps in which the learning rate rises
    scale: float = 20.0  # cosines are multiplied by it; higher: only the nearest negatives count
    described: float = 0.3  # share of utterances that are paired with a description, the others with an utterance
    hard: int = 0  # of so many exemplars that the retriever finds, one of another function is the negative; 0: none
    evaluate_every: int = 50  # steps
    patience: int = 4  # evaluations without a better recall after which training stops
    # The recall that chooses: the function is among those of so many descriptions and so many exemplars.
    descriptions: int = 2
    exemplars: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse sizes with which nothing is learned."""
        if self.batch < 2 or self.steps < 1 or self.evaluate_every < 1 or self.patience < 1:
            raise LabError("embedder: batch must be at least 2, steps, evaluate_every and patience at least 1")
        if not 0 <= self.described <= 1:
            raise LabError(f"embedder.described={self.described}: a share between 0 and 1")


@dataclass(frozen=True)
class Judge:
    """What a model is measured by while it learns: an index of some exemplars, and utterances it never learns from."""

    documents: Sequence[Document]
    index: Sequence[AnnotatedExemplar]
    queries: Sequence[AnnotatedExemplar]

    def __call__(self, model: Any, config: EmbedderConfig) -> dict[str, float]:
        """Return {figure: value} of a model: `recall`, which chooses, and the parts of it."""
        settings = RetrievalConfig(exemplars="embedding")
        retriever = Retriever(self.documents, self.index, settings, Encoder(MINILM, model=model))
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
    first = judge(encoder.model, config)
    log(_line(0, first))
    trainer = _trainer(folder / CHECKPOINTS, encoder.model, rows, judge, config, log)
    resumed = any((folder / CHECKPOINTS).glob("checkpoint-*"))
    trainer.train(resume_from_checkpoint=resumed or None)
    figures = {
        "settings": as_dict(config),
        "triples": len(rows),
        "untuned": first,
        "tuned": judge(trainer.model, config),
    }
    if figures["tuned"]["recall"] <= first["recall"]:
        log("tuning did not raise the recall; the model is kept, and its figures say so")
    temporary = folder / f"{MODEL}.tmp"
    remove(temporary)
    with writing(folder / MODEL):
        trainer.model.save(str(temporary), create_model_card=False)
        temporary.rename(folder / MODEL)
    write_json(folder / TRAINING, figures | {"steps": trainer.state.global_step, "log": trainer.judged})
    remove(folder / CHECKPOINTS)
    return folder / MODEL


def _neighbours(
    exemplars: Sequence[AnnotatedExemplar], documents: Sequence[Document], encoder: Encoder, config: EmbedderConfig
) -> np.ndarray | None:
    """Return what the untuned model finds for each exemplar, never itself; None without hard negatives."""
    if not config.hard:
        return None
    retriever = Retriever(documents, exemplars, RetrievalConfig(exemplars="embedding"), encoder)
    return retriever.places([one.utterance for one in exemplars], config.hard)


def _line(step: int, figures: dict[str, float]) -> str:
    return f"step {step}: " + ", ".join(f"{name} {value:.4f}" for name, value in figures.items())


def _trainer(
    checkpoints: Path, model: Any, rows: Sequence[Triple], judge: Judge, config: EmbedderConfig, log: Log
) -> Any:
    """Return the library's trainer with our batches, our judge and early stopping."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.base.evaluation import BaseEvaluator
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import EarlyStoppingCallback
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    functions = [row.functions for row in rows]

    class Batches(DefaultBatchSampler):
        """One function once a batch."""

        def __iter__(self) -> Iterator[list[int]]:
            yield from one_function_once(functions, config.batch, config.seed + self.epoch)

        def __len__(self) -> int:
            return sum(1 for _ in one_function_once(functions, config.batch, config.seed))

    class Judged(BaseEvaluator):
        """The recall of the model so far."""

        primary_metric = "recall"

        def __call__(self, model: Any, output_path: Any = None, epoch: Any = -1, steps: int = -1) -> dict[str, float]:
            figures = judge(model, config)
            trainer.judged.append({"step": trainer.state.global_step, **figures})
            log(_line(trainer.state.global_step, figures))
            return dict(figures)

    columns = {"anchor": [row.anchor for row in rows], "positive": [row.positive for row in rows]}
    if config.hard:
        columns["negative"] = [row.negative for row in rows]
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(checkpoints),
        max_steps=config.steps,
        per_device_train_batch_size=config.batch,
        learning_rate=config.learning_rate,
        warmup_steps=int(config.warmup * config.steps),
        batch_sampler=lambda dataset, **given: Batches(dataset, **given),
        eval_strategy="steps",
        eval_steps=config.evaluate_every,
        save_strategy="steps",
        save_steps=config.evaluate_every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_recall",
        greater_is_better=True,
        seed=config.seed,
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        use_cpu=not _has_gpu(),
    )
    directions = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict(columns),
        loss=MultipleNegativesRankingLoss(model, scale=config.scale, directions=directions),
        evaluator=Judged(),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=config.patience)],
    )
    trainer.judged = []
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    return trainer


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())
