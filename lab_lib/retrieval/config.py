"""How functions and exemplars are retrieved: the section `retrieval` of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab_lib.errors import LabError
from lab_lib.models.embedders import MINILM

Method = Literal["embedding", "keyword", "fused", "tfidf"]


@dataclass(frozen=True)
class RetrievalConfig:
    """What is compared with what, and how. Everything here is part of an index's hash."""

    # minilm (all-MiniLM-L6-v2 from a Python package, offline), or a folder or hub name of a sentence-transformers
    # model; `lab understand train-embedder` writes the folder of a tuned one.
    embeddings: str = MINILM
    # Descriptions by meaning alone, or by shared words: tfidf needs no model.
    descriptions: Literal["embedding", "tfidf"] = "embedding"
    # Exemplars by meaning, by shared words (BM25), by both (ranks fused), or by tfidf, the floor without any model.
    exemplars: Method = "fused"
    # What of an exemplar is compared: its utterance, or its template, in which slots stand for values.
    exemplar_text: Literal["utterance", "template"] = "utterance"
    # Written before an utterance that is compared with descriptions, and never before a description: a model that was
    # trained with an instruction needs it. MiniLM was not.
    query_prompt: str = ""
    # Of reciprocal rank fusion (Cormack et al. 2009): a rank r counts 1 / (rank_constant + r). Larger: ranks further
    # down count more.
    rank_constant: int = 60

    def __post_init__(self) -> None:
        """Refuse a constant that divides by nothing."""
        if self.rank_constant < 1:
            raise LabError(f"retrieval.rank_constant={self.rank_constant}: expected at least 1")

    @property
    def needs_model(self) -> bool:
        """Whether an embedding model has to be here."""
        return self.descriptions == "embedding" or self.exemplars in ("embedding", "fused")
