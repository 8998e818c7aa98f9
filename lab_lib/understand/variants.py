"""SGD-X: the same services in five other wordings. A retriever that has learned the wording of a schema scores lower.

Average and sensitivity as in Lee et al. (2022): per utterance the coefficient of variation over the variants (sample
standard deviation divided by the mean; 0 if no variant finds the function), then the mean over utterances.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lab_lib.errors import LabError
from lab_lib.evaluation.sgd_dialogues import read_schema
from lab_lib.exemplars.convert import SCHEMA, convert_corpus, corpus_names, schema_paths
from lab_lib.exemplars.corpus import ExemplarCorpus, corpus_folder
from lab_lib.exemplars.schema_functions import Document, schema_documents
from lab_lib.exemplars.select import distinct
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.retriever import Query, Retriever
from lab_lib.understand.data import IndexConfig, sample

VARIANTS = ("v1", "v2", "v3", "v4", "v5")
PLACE = Path("sgd_x", "data")  # below the folder of the corpus
CURVE = (1, 2, 4, 8)
ORIGINAL = "original"


@dataclass(frozen=True)
class VariantRecall:
    """Recall of descriptions by variant (including "original") and k, and their average and sensitivity by k.

    Fractions, not per cent. The average covers the five variants, without the original.
    """

    queries: int
    by_variant: Mapping[str, Mapping[int, float]]
    average: Mapping[int, float]
    sensitivity: Mapping[int, float]


def load_variants(config: IndexConfig) -> tuple[dict[str, tuple[Document, ...]], list[AnnotatedExemplar]]:
    """Return ({variant: its descriptions}, the queries) of a split of SGD.

    Raises LabError if the variants are not beside the corpus.
    """
    folder = corpus_folder(config.corpus)
    schemas = schema_paths(folder)
    if config.queries not in schemas or not os.path.isdir(folder / PLACE):
        raise LabError(f"{folder}: expected the split {config.queries} and the variants of its schema in {PLACE}")
    names, own = corpus_names(schemas), read_schema(schemas[config.queries])
    paths = {name: folder / PLACE / name / config.queries / SCHEMA for name in VARIANTS}
    documents = {ORIGINAL: schema_documents(own, str(schemas[config.queries]), names)}
    documents |= {name: schema_documents(read_schema(path), str(path), names, own) for name, path in paths.items()}
    part = ExemplarCorpus(config.corpus, convert_corpus(folder, folder.name, [config.queries])).part(config.queries)
    return documents, sample(distinct(part.exemplars)[0], config.max_queries, config.seed)


def variant_recall(
    documents: Mapping[str, Sequence[Document]], queries: Sequence[AnnotatedExemplar], config: RetrievalConfig
) -> VariantRecall:
    """Return the recall of descriptions in each wording. Raises LabError without queries."""
    if not queries:
        raise LabError("variants: no utterance to retrieve for")
    encoder = Encoder(config.embeddings, config.query_prompt)
    hits = {name: _hits(texts, queries, config, encoder) for name, texts in documents.items()}
    varied = np.stack([hits[name] for name in VARIANTS])  # (variants, queries, k)
    return VariantRecall(
        len(queries),
        {name: dict(zip(CURVE, found.mean(axis=0).tolist(), strict=True)) for name, found in hits.items()},
        dict(zip(CURVE, varied.mean(axis=(0, 1)).tolist(), strict=True)),
        dict(zip(CURVE, sensitivity(varied).tolist(), strict=True)),
    )


def sensitivity(varied: np.ndarray) -> np.ndarray:
    """Return the mean coefficient of variation per column of values (variants, queries, columns).

    >>> sensitivity(np.array([[[1.0], [1.0]], [[1.0], [0.0]]])).round(4)
    array([0.7071])
    """
    means, spread = varied.mean(axis=0), varied.std(axis=0, ddof=1)
    return np.divide(spread, means, out=np.zeros_like(means), where=means > 0).mean(axis=0)


def _hits(
    documents: Sequence[Document], queries: Sequence[AnnotatedExemplar], config: RetrievalConfig, encoder: Encoder
) -> np.ndarray:
    """Return (queries, k): whether the right function is among the first k."""
    retriever = Retriever(documents, (), replace(config, exemplars="tfidf"), encoder)
    ids = {name: place for place, name in enumerate(retriever.names)}
    gold = np.array([ids[one.target_name] for one in queries])
    ranked = retriever.functions([Query.of(one) for one in queries], max(CURVE))
    return np.stack([(ranked[:, :k] == gold[:, None]).any(axis=1) for k in CURVE], axis=1).astype(float)


HEADINGS = ("schema", *(f"@{k}" for k in CURVE))


def table_rows(found: VariantRecall) -> list[tuple[str, ...]]:
    """Return recalls in per cent by wording, then average and sensitivity (not in per cent)."""
    rows = [(name, *(f"{100 * found.by_variant[name][k]:.1f}" for k in CURVE)) for name in found.by_variant]
    rows.append(("average of v1 to v5", *(f"{100 * found.average[k]:.1f}" for k in CURVE)))
    return [*rows, ("sensitivity", *(f"{found.sensitivity[k]:.3f}" for k in CURVE))]
