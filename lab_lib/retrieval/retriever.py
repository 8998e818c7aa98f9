"""Which functions and which exemplars an utterance is like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lab_lib.exemplars.schema_functions import Document
from lab_lib.exemplars.select import words_of
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.keyword import KeywordRanker, TfidfRanker
from lab_lib.retrieval.ranking import NOWHERE, Ranker, fuse, padded, without
from lab_lib.retrieval.vectors import VectorRanker

DEPTH = 4  # a fusion reads rankings this many times as deep as what is asked for


@dataclass(frozen=True)
class Query:
    """What is said, and the function that is open then ("": none)."""

    utterance: str
    frame: str = ""

    @classmethod
    def of(cls, one: AnnotatedExemplar) -> Query:
        """Return an exemplar as a question."""
        return cls(one.utterance, one.context.frame)


@dataclass(frozen=True)
class Found:
    """One exemplar that was found, and its rank, counted from 1."""

    exemplar: AnnotatedExemplar
    rank: int


class Retriever:
    """Finds functions by their descriptions and exemplars by their words, as the config says.

    The rankers that the config asks for are those given, or are made of the texts.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        exemplars: Sequence[AnnotatedExemplar],
        config: RetrievalConfig,
        encoder: Encoder | None = None,
        keyword: KeywordRanker | None = None,
        vectors: VectorRanker | None = None,
        described: VectorRanker | None = None,
    ) -> None:
        self.documents, self.exemplars, self.config = tuple(documents), tuple(exemplars), config
        self.encoder = encoder or Encoder(config.embeddings, config.query_prompt)
        self._keyword, self._vectors, self._described = keyword, vectors, described
        self.names = tuple(dict.fromkeys([*(d.function for d in documents), *(e.target_name for e in exemplars)]))
        ids = {name: place for place, name in enumerate(self.names)}
        self.document_ids = np.array([ids[one.function] for one in documents], dtype=np.int64)
        self.owner_ids = np.array([ids[one.target_name] for one in exemplars], dtype=np.int64)
        self._frames = {f: place for place, f in enumerate(dict.fromkeys(one.context.frame for one in exemplars))}

    # ---- the rankers, made when they are first needed ------------------------------------------------------------
    @cached_property
    def keyword(self) -> KeywordRanker:
        """BM25 over the exemplars."""
        return self._keyword or KeywordRanker.of(self.texts)

    @cached_property
    def vectors(self) -> VectorRanker:
        """The exemplars' vectors."""
        frames = [one.context.frame for one in self.exemplars]
        return self._vectors or VectorRanker.of(self._framed(self.encoder.symmetric(self.texts), frames))

    @cached_property
    def described(self) -> VectorRanker:
        """The descriptions' vectors."""
        return self._described or VectorRanker.of(self.encoder.documents([one.text for one in self.documents]))

    @cached_property
    def texts(self) -> list[str]:
        """What of each exemplar is compared."""
        return [exemplar_text(one, self.config.exemplar_text) for one in self.exemplars]

    @cached_property
    def tfidf(self) -> TfidfRanker:
        """The exemplars' tf-idf vectors."""
        return TfidfRanker(self.texts)

    @cached_property
    def described_tfidf(self) -> TfidfRanker:
        """The descriptions' tf-idf vectors."""
        return TfidfRanker([one.text for one in self.documents])

    @cached_property
    def _own(self) -> dict[str, int]:
        """{the words of an exemplar: its place}: an utterance that is in the index is no neighbour of itself."""
        return {words_of(one.utterance): place for place, one in enumerate(self.exemplars)}

    # ---- asking --------------------------------------------------------------------------------------------------
    def functions(self, queries: Sequence[Query], k: int) -> np.ndarray:
        """Return ids (queries, k) of functions (places in `names`) by their best description, each once."""
        if not self.documents:
            return padded([[] for _ in queries], k)
        depth = len(self.documents)  # a function has several descriptions, and there are few of them
        if self.config.descriptions == "tfidf":
            places = self.described_tfidf.rank(_words(queries), depth)
        else:
            places = self.described.rank_vectors(self.encoder.queries(_words(queries)), depth)
        return padded([list(dict.fromkeys(self.document_ids[row[row != NOWHERE]].tolist())) for row in places], k)

    def places(self, queries: Sequence[Query], k: int) -> np.ndarray:
        """Return places (queries, k) of exemplars, best first, without those that say the query itself."""
        if not self.exemplars:
            return padded([[] for _ in queries], k)
        own = [self.same_words(query) for query in queries]
        return without(self.every_place(queries, k + 1), own, k)

    def same_words(self, query: Query) -> int:
        """Return the place of the exemplar that says the query itself; NOWHERE where none does."""
        return self._own.get(words_of(query.utterance), NOWHERE)

    def every_place(self, queries: Sequence[Query], k: int) -> np.ndarray:
        """Return places (queries, k) of exemplars, best first, those that say the query itself among them."""
        method = self.config.exemplars
        if method in ("keyword", "tfidf"):
            ranker: Ranker = self.keyword if method == "keyword" else self.tfidf
            return ranker.rank(_words(queries), k)
        deep = DEPTH * k if method == "fused" else k
        vectors = self._framed(self.encoder.symmetric(_words(queries)), [query.frame for query in queries])
        meant = self.vectors.rank_vectors(vectors, deep)
        if method == "embedding":
            return meant
        return fuse([meant, self.keyword.rank(_words(queries), deep)], k, self.config.rank_constant)

    def _framed(self, vectors: np.ndarray, frames: Sequence[str]) -> np.ndarray:
        """Return vectors with a place for each open function: products of two with one frame are `same_frame` more."""
        if not self.config.same_frame:
            return vectors
        marks = np.zeros((len(vectors), len(self._frames)), dtype=np.float32)
        for row, frame in enumerate(frames):
            if frame in self._frames:
                marks[row, self._frames[frame]] = np.sqrt(self.config.same_frame)
        return np.hstack([vectors, marks])

    def found(self, query: Query, k: int) -> list[Found]:
        """Return the exemplars most like an utterance, best first."""
        (row,) = self.places([query], k)
        return [Found(self.exemplars[place], rank) for rank, place in enumerate(row, 1) if place != NOWHERE]


def _words(queries: Sequence[Query]) -> list[str]:
    return [query.utterance for query in queries]


def exemplar_text(one: AnnotatedExemplar, which: str) -> str:
    """Return what of an exemplar is compared: in a template the names of slots are words."""
    return one.utterance if which == "utterance" else one.template.replace("_", " ")
