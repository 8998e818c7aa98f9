"""Settings for clustering dialogues."""

from __future__ import annotations

from dataclasses import dataclass

from lab_lib.errors import LabError


@dataclass(frozen=True)
class StructureConfig:
    """Settings for embedding, clustering and drawing."""

    # minilm (all-MiniLM-L6-v2 from a Python package, offline), tfidf (word counts, needs scikit-learn only), or a
    # folder or hub name of a sentence-transformers model.
    embeddings: str = "minilm"
    # 0: the utterance alone. 1: the previous utterance too, so that "yes" after an offer and "yes" after a question
    # can be separated. The table always reports both; this setting selects which one is drawn and described.
    history: int = 1
    clusters: int = 12  # more: purer clusters, but an unreadable graph
    starts: int = 4  # number of k-means starts, of which the best is kept; time grows in proportion
    seeds: int = 3  # k-means runs per figure of the table; more: better intervals, proportionally more time
    seed: int = 0  # of the first run, which is drawn
    arc: float = 0.1  # smallest share of a cluster's transitions that is drawn as an arrow
    words: int = 6  # representative words per cluster
    examples: int = 3  # utterances per cluster, nearest to its centre
    resamples: int = 1000  # bootstrap resamples over dialogues

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.history not in (0, 1):
            raise LabError(f"history={self.history}: 0 (the utterance alone) or 1 (with the one before it)")
        if self.clusters < 2 or self.starts < 1 or self.seeds < 2 or self.resamples < 2:
            raise LabError("clusters, seeds and resamples must be at least 2, starts at least 1")
        if not 0 <= self.arc <= 1:
            raise LabError(f"arc={self.arc}: a share between 0 and 1")
