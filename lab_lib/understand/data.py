"""Select the exemplars to index and the utterances to query with: two splits that share no utterance."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from lab_lib.errors import LabError
from lab_lib.exemplars.corpus import ExemplarCorpus, load_exemplars
from lab_lib.exemplars.schema_functions import Document
from lab_lib.exemplars.select import agreement, at_most, distinct, without_words_of
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.retrieval.config import RetrievalConfig


@dataclass(frozen=True)
class AskConfig:
    """What is indexed, and the queries."""

    corpus: str = "desk"  # a corpus that `lab understand convert` knows by name, or a folder
    index: str = "train"  # the split whose exemplars are indexed
    queries: str = "dev"  # the split of the queries; use test only for the final report
    per_function: int = 40  # exemplars per function in the index, drawn with the seed; more: better, and slower
    max_queries: int | None = None  # drawn with the seed; null: all
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse sizes below 1."""
        if self.per_function < 1 or (self.max_queries is not None and self.max_queries < 1):
            raise LabError("per_function and max_queries must be at least 1")


@dataclass(frozen=True)
class Asked:
    """The texts of an index, its queries, and notes on sizes and omissions."""

    documents: tuple[Document, ...]
    exemplars: tuple[AnnotatedExemplar, ...]
    queries: tuple[AnnotatedExemplar, ...]
    notes: tuple[str, ...]


def load_asked(config: AskConfig) -> tuple[ExemplarCorpus, Asked]:
    """Read a corpus and select the texts to index and the queries."""
    corpus = load_exemplars(config.corpus)
    return corpus, choose(corpus, config)


def choose(corpus: ExemplarCorpus, config: AskConfig) -> Asked:
    """Select the exemplars of the index and the queries.

    Omits queries whose words are in the index, because an utterance would retrieve itself, and queries of functions
    without an exemplar there, which only descriptions can retrieve (`unseen_queries`). Descriptions come from both
    splits.
    """
    known, asking = corpus.part(config.index), corpus.part(config.queries)
    exemplars = at_most(distinct(known.exemplars)[0], config.per_function, config.seed)
    documents = tuple(dict.fromkeys((*asking.documents, *known.documents)))
    every = distinct(asking.exemplars)[0]
    fresh = without_words_of(every, exemplars)
    names = {one.target_name for one in exemplars}
    seen = [one for one in fresh if one.target_name in names]
    drawn = sample(seen, config.max_queries, config.seed)
    notes = (
        f"index: {len(exemplars)} exemplars of {len(names)} functions ({config.index}, at most {config.per_function} "
        f"each), {len(documents)} descriptions",
        f"queries: {len(drawn)} of {config.queries}; left out: {len(asking.exemplars) - len(every)} repeats, "
        f"{len(every) - len(fresh)} with words that are in the index, {len(fresh) - len(seen)} of functions without an "
        "exemplar",
        "the labels agree on {} of {} repeated utterances of {}".format(*agreement(asking.exemplars), config.queries),
    )
    return Asked(documents, tuple(exemplars), tuple(drawn), notes)


def unseen_queries(corpus: ExemplarCorpus, config: AskConfig) -> list[AnnotatedExemplar]:
    """Return the utterances of functions without an exemplar in the index split: only descriptions find them."""
    names = {one.target_name for one in corpus.part(config.index).exemplars}
    return [one for one in distinct(corpus.part(config.queries).exemplars)[0] if one.target_name not in names]


def sample(rows: list[AnnotatedExemplar], most: int | None, seed: int) -> list[AnnotatedExemplar]:
    """Return at most `most` rows, drawn with a seed, in their original order."""
    if most is None or most >= len(rows):
        return rows
    places = sorted(random.Random(seed).sample(range(len(rows)), most))
    return [rows[place] for place in places]


@dataclass(frozen=True)
class IndexConfig(AskConfig):
    """An index: its texts and their ranking."""

    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)
