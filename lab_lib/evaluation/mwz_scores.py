"""The results of the MultiWOZ response scorer: intervals, comparisons of two systems, pooling of seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from lab_lib.errors import LabError
from lab_lib.evaluation.bleu import ORDERS, bleu
from lab_lib.evaluation.bootstrap import Comparison, Pooled, compare, pool
from lab_lib.evaluation.inform import DialogueVerdict

# Columns of `MwzScores.counts` after those of BLEU: dialogues with a goal, that inform, that succeed.
BLEU_COLUMNS = 2 + 2 * ORDERS
RESAMPLES = 1000


@dataclass(frozen=True)
class MwzScores:
    """Scores of one prediction file, in per cent; Inform and Success to one decimal as published.

    `combined` = (inform + success) / 2 + bleu. `intervals` are 95 % bootstrap intervals by metric, empty when no
    resampling was asked for. `unknown_placeholders` counts names such as `[rating]` that no table knows and that were
    deleted. `notes` are the decisions about the input. `replies` are the normalised ones; `counts` are the counts
    behind BLEU, Inform and Success, one row per dialogue in the order of `per_dialogue`.
    """

    bleu: float
    inform: float
    success: float
    combined: float
    inform_by_domain: Mapping[str, float]
    success_by_domain: Mapping[str, float]
    richness: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    unknown_placeholders: Mapping[str, int]
    dialogues: int
    turns: int
    per_dialogue: Mapping[str, DialogueVerdict]
    notes: tuple[str, ...]
    signature: str
    replies: Mapping[str, tuple[str, ...]] = field(repr=False)
    active_domains: Mapping[str, tuple[tuple[str, ...], ...]] = field(repr=False)
    counts: np.ndarray = field(repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return everything but the replies and counts as plain JSON values."""
        hidden = ("per_dialogue", "replies", "active_domains", "counts")
        report = {name: _plain(value) for name, value in vars(self).items() if name not in hidden}
        report["per_dialogue"] = {
            key: {**_plain(asdict(verdict)), "active_domains": _plain(self.active_domains[key])}
            for key, verdict in self.per_dialogue.items()
        }
        return report


def main_scores(counts: np.ndarray) -> dict[str, float]:
    """Return BLEU, Inform, Success and Combined of summed counts, unrounded."""
    goals, informs, succeeds = counts[BLEU_COLUMNS:]
    score = bleu(counts[:BLEU_COLUMNS])
    inform, success = 100 * informs / max(goals, 1), 100 * succeeds / max(goals, 1)
    return {
        "bleu": score,
        "inform": float(inform),
        "success": float(success),
        "combined": float((inform + success) / 2 + score),
    }


def compare_systems(
    first: MwzScores, second: MwzScores, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Comparison]:
    """Return {metric: first minus second with interval and p} by a paired bootstrap over dialogues.

    Raises LabError unless both were scored on the same dialogues.
    """
    return compare(first.counts, _aligned(first, second), main_scores, resamples, seed)


def pool_seeds(scores: Sequence[MwzScores], resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Pooled]:
    """Return {metric: mean over runs, with an interval} for runs that differ in their seed.

    The interval covers both kinds of chance: runs are drawn with replacement as well as dialogues. Raises
    LabError unless all runs were scored on the same dialogues.
    """
    if not scores:
        raise LabError("pooling: no scores given")
    return pool([_aligned(scores[0], other) for other in scores], main_scores, resamples, seed)


def _aligned(first: MwzScores, second: MwzScores) -> np.ndarray:
    """Return the second's counts in the first's order of dialogues."""
    row = {key: number for number, key in enumerate(second.per_dialogue)}
    different = set(row) ^ set(first.per_dialogue)
    if different:
        named = ", ".join(sorted(different)[:3])
        raise LabError(f"comparison: {len(different)} dialogues were scored for one system only: {named}")
    return second.counts[[row[key] for key in first.per_dialogue]]


def _plain(value: Any) -> Any:
    """Turn mappings and tuples into dicts and lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
