"""How functions and exemplars are retrieved, and how the embedder is tuned: two sections of settings."""

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
    # Exemplars by meaning, by shared words (BM25), by both (ranks fused), or by tfidf, the floor without any model. On
    # SGD's dev split the fused ranks find less than meaning alone, wherever the open function counts (same_frame).
    exemplars: Method = "embedding"
    # What of an exemplar is compared: its utterance, or its template, in which slots stand for values.
    exemplar_text: Literal["utterance", "template"] = "utterance"
    # Added to the cosine of an exemplar that has the same open function as the query: the meaning of "great, book it"
    # differs after a search for hotels and for flights. 0: only the words count.
    same_frame: float = 0.15
    # Prompt before an utterance that is compared with descriptions, never before a description. Models trained with an
    # instruction need it; MiniLM does not.
    query_prompt: str = ""
    # Of reciprocal rank fusion (Cormack et al. 2009): a rank r counts 1 / (rank_constant + r). Larger: ranks further
    # down count more.
    rank_constant: int = 60

    def __post_init__(self) -> None:
        """Refuse a constant that divides by nothing, and a bonus that drives away."""
        if self.same_frame < 0:
            raise LabError(f"retrieval.same_frame={self.same_frame}: expected at least 0")
        if self.rank_constant < 1:
            raise LabError(f"retrieval.rank_constant={self.rank_constant}: expected at least 1")

    @property
    def needs_model(self) -> bool:
        """Whether an embedding model has to be here."""
        return self.descriptions == "embedding" or self.exemplars in ("embedding", "fused")


LEARN_PER_FUNCTION = 500  # exemplars of a function that an embedder learns from


@dataclass(frozen=True)
class EmbedderConfig:
    """How the embedding model is tuned."""

    start: str = MINILM  # the model to begin with, as retrieval.embeddings
    # head: the model is frozen, and a layer after it is trained; every text is encoded once, and steps are cheap. all:
    # the whole model is trained, at about 1.5 s per step on two cores.
    layers: Literal["all", "head"] = "head"
    steps: int = 200  # at most; fewer where the recall stops rising
    # Utterances in a step, of as many functions; with hard negatives each brings a second function.
    batch: int = 32
    learning_rate: float | None = None  # null: 3e-5 for the whole model, 3e-3 for a head
    warmup: float = 0.1  # share of the steps in which the learning rate rises
    scale: float = 20.0  # cosines are multiplied by it; higher: only the nearest negatives count
    described: float = 0.3  # share of utterances that are paired with a description, the others with an utterance
    hard: int = 0  # the negative is one of another function among this many retrieved exemplars; 0: none
    evaluate_every: int = 25  # steps
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

    @property
    def rate(self) -> float:
        """The learning rate at its highest."""
        return self.learning_rate or {"all": 3e-5, "head": 3e-3}[self.layers]
