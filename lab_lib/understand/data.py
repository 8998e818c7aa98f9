"""Which exemplars stand in an index, and which utterances are asked of it: two splits that share no words."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from lab_lib.errors import LabError
from lab_lib.exemplars.corpus import ExemplarCorpus, load_exemplars
from lab_lib.exemplars.schema_functions import Document
from lab_lib.exemplars.select import at_most, distinct, without_words_of
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.retrieval.config import RetrievalConfig


@dataclass(frozen=True)
class AskConfig:
    """What is indexed and what is asked."""

    corpus: str = "desk"  # a corpus that `lab understand convert` knows by name, or a folder
    index: str = "train"  # the split whose exemplars are indexed
    queries: str = "dev"  # the split that asks; test is for the one last report
    per_function: int = 40  # exemplars of a function in the index, drawn with the seed; more: better, and slower
    max_queries: int | None = None  # drawn with the seed; null: all
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an index of nothing."""
        if self.per_function < 1 or (self.max_queries is not None and self.max_queries < 1):
            raise LabError("per_function and max_queries must be at least 1")


@dataclass(frozen=True)
class Asked:
    """An index's texts, the utterances that are asked of it, and a line on how many were left out of them."""

    documents: tuple[Document, ...]
    exemplars: tuple[AnnotatedExemplar, ...]
    queries: tuple[AnnotatedExemplar, ...]
    notes: tuple[str, ...]


def load_asked(config: AskConfig) -> tuple[ExemplarCorpus, Asked]:
    """Read a corpus and choose what is indexed and asked."""
    corpus = load_exemplars(config.corpus)
    return corpus, choose(corpus, config)


def choose(corpus: ExemplarCorpus, config: AskConfig) -> Asked:
    """Choose the exemplars of the index and the queries.

    Queries whose words are in the index are left out: an utterance would find itself. So are those of functions without
    an exemplar there, which only descriptions can find (`unseen_queries`). Descriptions are those of both splits.
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
    )
    return Asked(documents, tuple(exemplars), tuple(drawn), notes)


def unseen_queries(corpus: ExemplarCorpus, config: AskConfig) -> list[AnnotatedExemplar]:
    """Return the utterances of functions that have no exemplar in the index split: descriptions alone can find them."""
    names = {one.target_name for one in corpus.part(config.index).exemplars}
    return [one for one in distinct(corpus.part(config.queries).exemplars)[0] if one.target_name not in names]


def sample(rows: list[AnnotatedExemplar], most: int | None, seed: int) -> list[AnnotatedExemplar]:
    """Return at most so many, drawn with a seed, in the order in which they stood."""
    if most is None or most >= len(rows):
        return rows
    places = sorted(random.Random(seed).sample(range(len(rows)), most))
    return [rows[place] for place in places]


@dataclass(frozen=True)
class IndexConfig(AskConfig):
    """An index: its texts, and how they are ranked."""

    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)
