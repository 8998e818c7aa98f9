"""`lab structure`: from a corpus to clusters of utterances, their transitions, and their agreement with gold acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from lab_lib.corpora.drops import drop_lines
from lab_lib.corpora.load import cache_folder, load_corpus
from lab_lib.corpora.types import Dialogue
from lab_lib.decoding.progress import DecodingProgress
from lab_lib.structure.cluster import Clustering, cluster, with_history
from lab_lib.structure.config import StructureConfig
from lab_lib.structure.describe import Card, describe
from lab_lib.structure.embed import Embedded, embed
from lab_lib.structure.quality import Agreement, agreement, by_speaker, one_cluster, random_labels
from lab_lib.structure.transitions import Transitions, transitions
from lab_lib.structure.utterances import Utterance, select, utterances

HISTORIES = {0: "utterance alone", 1: "with the one before"}


@dataclass(frozen=True)
class Source:
    """Which dialogues: corpus, splits and, unless all are used, the domain that they must have."""

    corpus: str
    splits: tuple[str, ...]
    domain: str | None = None

    def __str__(self) -> str:
        return f"{Path(self.corpus).name} {' + '.join(self.splits)}" + (f", {self.domain}" if self.domain else "")


@dataclass(frozen=True)
class Explored:
    """All results. `agreement` is empty for a corpus without dialogue acts."""

    source: Source
    config: StructureConfig
    dialogues: tuple[Dialogue, ...]
    said: list[Utterance]
    embedded: Embedded
    found: Clustering
    cards: list[Card]
    ways: Transitions
    agreement: dict[str, dict[str, Agreement]]


def explore(source: Source, config: StructureConfig, console: Console) -> Explored:
    """Embed, cluster and describe the utterances of some dialogues; writes only the cache of embeddings.

    Raises LabError for an unknown corpus, split or domain, and for a missing package.
    """
    corpus = load_corpus(source.corpus)
    dialogues = select(corpus, source.splits, source.domain)
    for line in drop_lines(corpus):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    said = utterances(dialogues)
    bare = sum(utterance.act is None for utterance in said)
    console.print(f"{len(dialogues)} dialogues, {len(said)} utterances; {bare} have no gold act and are not scored")
    embedded = embed_all(said, config, console)
    vectors = {0: embedded.vectors, 1: with_history(embedded.vectors, said)}
    runs = {history: _clusterings(vectors[history], said, config, console, name) for history, name in HISTORIES.items()}
    found = runs[config.history][0]
    cards = describe(said, vectors[config.history], found, config)
    ways = transitions(said, found.labels, config.clusters)
    scores = _agreement(said, runs, config) if bare < len(said) else {}
    return Explored(source, config, dialogues, said, embedded, found, cards, ways, scores)


def embed_all(said: Sequence[Utterance], config: StructureConfig, console: Console) -> Embedded:
    """Return the vectors of the utterances, cached or new; logs which, and how many texts were truncated."""
    texts = [utterance.text for utterance in said]
    with DecodingProgress(console, f"embedding by {config.embeddings}", len(set(texts))) as advance:
        found = embed(texts, config.embeddings, cache_folder() / "embeddings", advance)
    if found.cached:
        console.print("the embeddings were in the cache")
    if found.cut:
        console.print(f"{found.cut} utterances exceed the maximum length of {config.embeddings} and were truncated")
    return found


def _clusterings(
    vectors: np.ndarray, said: Sequence[Utterance], config: StructureConfig, console: Console, name: str
) -> list[Clustering]:
    """Return one clustering per seed."""
    with DecodingProgress(console, f"k-means, {name}", config.seeds) as advance:
        found = []
        for seed in range(config.seed, config.seed + config.seeds):
            found.append(cluster(vectors, said, config.clusters, config.starts, seed))
            advance(1)
    return found


def _agreement(
    said: Sequence[Utterance], runs: Mapping[int, Sequence[Clustering]], config: StructureConfig
) -> dict[str, dict[str, Agreement]]:
    """Return agreement with the gold acts: trivial baselines first, then the two kinds of embeddings."""
    seeds = range(config.seed, config.seed + config.seeds)
    rows = {
        "one cluster": [one_cluster(said)],
        f"{config.clusters} random clusters": [random_labels(said, config.clusters, seed) for seed in seeds],
        "by speaker alone": [by_speaker(said)],
    }
    rows |= {name: [run.labels for run in runs[history]] for history, name in HISTORIES.items()}
    return {name: agreement(said, labels, config.resamples, config.seed) for name, labels in rows.items()}
