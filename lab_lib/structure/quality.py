"""How well clusters agree with the gold acts: homogeneity, completeness and their harmonic mean, the V-measure.

Rosenberg and Hirschberg (2007). All three are functions of one table: the counts of each act in each cluster. A
resample of dialogues is therefore a sum of such tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab_lib.errors import LabError
from lab_lib.evaluation.bootstrap import resample
from lab_lib.structure.utterances import Utterance

MEASURES = ("homogeneity", "completeness", "v_measure")


@dataclass(frozen=True)
class Agreement:
    """One measure over several clusterings with different seeds: the mean, and its 95 % interval."""

    mean: float
    low: float
    high: float


def v_measure(table: np.ndarray) -> dict[str, float]:
    """Return the three measures, in points of 0-100, of a table (acts, clusters) of counts.

    homogeneity = 1 - H(act | cluster) / H(act): a cluster holds one act. completeness = 1 - H(cluster | act) /
    H(cluster): an act is in one cluster. V is their harmonic mean. A measure whose denominator is 0 counts as 1.

    >>> v_measure(np.array([[3, 0], [0, 3]]))
    {'homogeneity': 100.0, 'completeness': 100.0, 'v_measure': 100.0}
    """
    joint = table / table.sum()
    acts, clusters = _entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0))
    shared = max(0.0, acts + clusters - _entropy(joint.ravel()))
    homogeneity = shared / acts if acts > 1e-12 else 1.0
    completeness = shared / clusters if clusters > 1e-12 else 1.0
    both = homogeneity + completeness
    v = 2 * homogeneity * completeness / both if both else 0.0
    return {"homogeneity": 100 * homogeneity, "completeness": 100 * completeness, "v_measure": 100 * v}


def _entropy(shares: np.ndarray) -> float:
    """Return the entropy of shares that sum to 1, in nats."""
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def agreement(said: Sequence[Utterance], runs: Sequence[np.ndarray], resamples: int, seed: int) -> dict[str, Agreement]:
    """Return {measure: mean over the runs with its interval}; `runs` are labels of the same utterances.

    Utterances without a gold act are ignored. The interval is the mean plus and minus 1.96 standard errors, from
    resamples. Each resample draws as many runs as there are, with replacement, and one set of dialogues for all of them
    (the bootstrap's normal interval; Efron and Tibshirani 1993, chapter 12). Percentiles are not suitable: entropies of
    a resample are biased downwards, so the mean itself could be outside. Raises LabError if no utterance is annotated.
    """
    tables = [tables_by_dialogue(said, labels) for labels in runs]
    means = {name: float(np.mean([v_measure(t.sum(axis=0))[name] for t in tables])) for name in MEASURES}
    shape = tables[0].shape
    scores = np.array(
        [
            [
                list(v_measure(sums.reshape(shape[1:])).values())
                for sums in resample(t.reshape(shape[0], -1), resamples, seed)
            ]
            for t in tables
        ]
    )  # (runs, resamples, measures)
    drawn = np.random.default_rng([seed, len(runs)]).integers(len(runs), size=(len(runs), resamples))
    error = scores[drawn, np.arange(resamples)].mean(axis=0).std(axis=0, ddof=1)
    return {
        name: Agreement(means[name], means[name] - 1.96 * float(e), means[name] + 1.96 * float(e))
        for name, e in zip(MEASURES, error, strict=True)
    }


def tables_by_dialogue(said: Sequence[Utterance], labels: np.ndarray) -> np.ndarray:
    """Return counts (dialogues, acts, clusters) of the utterances that have a gold act."""
    acts = {act: number for number, act in enumerate(sorted({u.act for u in said if u.act is not None}))}
    if not acts:
        raise LabError("no utterance has a gold act: is dialog_acts.json empty for these dialogues?")
    tables = np.zeros((said[-1].dialogue + 1, len(acts), int(labels.max()) + 1), dtype=int)
    for utterance, label in zip(said, labels, strict=True):
        if utterance.act is not None:
            tables[utterance.dialogue, acts[utterance.act], label] += 1
    return tables


def random_labels(said: Sequence[Utterance], clusters: int, seed: int) -> np.ndarray:
    """Return a cluster for each utterance, drawn uniformly at random: a trivial baseline."""
    return np.random.default_rng(seed).integers(clusters, size=len(said))


def one_cluster(said: Sequence[Utterance]) -> np.ndarray:
    """Return all utterances in one cluster, a trivial baseline: complete, but not homogeneous."""
    return np.zeros(len(said), dtype=int)


def by_speaker(said: Sequence[Utterance]) -> np.ndarray:
    """Return two clusters, users and system, a trivial baseline: gold acts include the speaker."""
    return np.array([int(utterance.speaker == "system") for utterance in said])
