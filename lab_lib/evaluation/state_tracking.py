"""Scores of belief state tracking: joint accuracy and slot precision, recall and F1.

The rules are those of the MultiWOZ response scorer: values are compared loosely (`partial_ratio` above 95 of 100)
after the same normalisation on both sides. Numbers from other scripts, with exact or other matching, differ.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lab_lib.corpora.database import partial_ratio
from lab_lib.evaluation.inform import States

TINY = 1e-10  # the published scorer adds it to every denominator, so that nothing is divided by zero
SAME = 95  # two values are the same if their partial_ratio is above this


@dataclass(frozen=True)
class StateScores:
    """Joint accuracy and slot F1 in per cent, slot precision and recall as fractions (as published), and turns.

    `notes` say what of the predicted states a reader must know (`state_notes.py`).
    """

    joint_accuracy: float
    slot_f1: float
    slot_precision: float
    slot_recall: float
    turns: int
    notes: tuple[str, ...] = ()


def score_states(dialogues: Iterable[tuple[States, States]]) -> StateScores:
    """Score (predicted, gold) states of dialogues, both normalised, one state per turn; the shorter list ends it.

    A turn is right if both states have the same slots with the same values; two empty states are right. A
    predicted slot counts for precision as right if gold has it with the same value; a gold slot counts as missed
    if it is absent or has another value.

    >>> gold = {"hotel": {"area": "north", "stars": "4"}}
    >>> round(score_states([([{"hotel": {"area": "north"}}], [gold])]).slot_recall, 6)
    0.5
    """
    counts = [count for ours, gold in dialogues for count in count_turns(ours, gold)]
    right, same, predicted, truth = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0, 0)
    precision, recall = same / (predicted + TINY), same / (truth + TINY)
    return StateScores(
        joint_accuracy=100 * right / (len(counts) + TINY),
        slot_f1=100 * 2 * precision * recall / (precision + recall + TINY),
        slot_precision=precision,
        slot_recall=recall,
        turns=len(counts),
    )


def count_turns(ours: States, gold: States) -> list[tuple[int, int, int, int]]:
    """Return for each turn (1 if it is right, slots with the right value, predicted slots, gold slots)."""
    counts = []
    for state, truth in zip(map(_flat, ours), map(_flat, gold), strict=False):
        same = sum(same_value(state[slot], truth[slot]) for slot in state.keys() & truth.keys())
        counts.append((int(same == len(state) == len(truth)), same, len(state), len(truth)))
    return counts


def _flat(state: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], Any]:
    """Return {(domain, slot): value}."""
    return {(domain, slot): value for domain, slots in state.items() for slot, value in slots.items()}


def same_value(ours: Any, gold: Any) -> bool:
    """Return whether two values count as the same; what is no text is no value."""
    return isinstance(ours, str) and isinstance(gold, str) and (ours == gold or _ratio(ours, gold) > SAME)


# The same few thousand pairs come back in every turn of a dialogue.
_ratio = functools.lru_cache(maxsize=65536)(partial_ratio)
