"""How well a model's probability of "no skill" separates requests for nothing from requests for a skill.

A prediction carries the log probabilities of the skills' names (`names`, nats, `none` among them) and perhaps the
threshold that was chosen on dev (`threshold`): if the probability of none reaches it, nothing is called. The measures
are computed from histograms of the log-odds of none, which are additive over requests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab_lib.calls.skills.skill import NO_SKILL
from lab_lib.errors import LabError, shown
from lab_lib.evaluation.scores import Metric, row_curve

NAMES, THRESHOLD = "names", "threshold"  # fields of a prediction
GROUP = "The probability that nothing was asked"
STEP, ENDS = 0.25, 16.0  # log-odds of a level; those beyond the ends count as the ends
EVEN = 0.5  # the largest threshold, and that of a run without one: `none` is likelier than all skills together
GRID = np.arange(-12.0, 0.01, 0.05)  # log-odds of the thresholds that are tried, up to EVEN
WIDTH = 1.0  # nats over which a request of dev counts in part: few requests lie near a threshold
LEVELS = int(2 * ENDS / STEP)
COLUMNS = 2 * LEVELS + 4
NONE_METRICS = (
    Metric("auroc", "AUROC", "%", group=GROUP, explanation="AUROC: how often a request that asks for nothing has a "
           "higher probability of none than one that asks for a skill; 50 % is chance."),
    Metric("false_triggers_gated", "False triggers", "%", higher_is_better=False, group=GROUP, explanation="False "
           "triggers, Misses: when nothing is called from the threshold on that was chosen on dev."),
    Metric("misses_gated", "Misses", "%", higher_is_better=False, group=GROUP),
)  # fmt: skip
Answered = tuple[Mapping[str, Any], str, bool, str]  # prediction, name of the right call, whether it calls, key


def none_log_odds(names: Mapping[str, float]) -> float:
    """Return the log-odds of none among the names, from their log probabilities.

    >>> none_log_odds({"none": -1.0, "weather": -2.0})
    1.0
    """
    others = np.array([value for name, value in names.items() if name != NO_SKILL])
    top = others.max()
    return float(names[NO_SKILL] - top - np.log(np.exp(others - top).sum()))


def shares(names: Mapping[str, float]) -> dict[str, float]:
    """Return the probabilities of the names, renormalised over them, the likeliest first.

    >>> {name: round(share, 3) for name, share in shares({"none": math.log(0.1), "weather": math.log(0.3)}).items()}
    {'weather': 0.75, 'none': 0.25}
    """
    top = max(names.values())
    weights = {name: math.exp(value - top) for name, value in names.items()}
    total = sum(weights.values())
    return {name: weights[name] / total for name in sorted(weights, key=lambda name: -weights[name])}


def probability(log_odds: float) -> float:
    """Return the probability of some log-odds.

    >>> probability(0.0)
    0.5
    """
    return 1 / (1 + math.exp(-log_odds)) if log_odds > -700 else 0.0


def choose_threshold(asked: Sequence[tuple[Mapping[str, float], str]]) -> float | None:
    """Return the probability of none from which on nothing is called, for (names, name of the right call) of dev.

    It minimises the sum of the rates of false triggers and misses. The rates are smoothed: a request counts by a
    logistic curve of WIDTH around its log-odds, because the minimum of the raw rates moves with single requests. None
    if dev does not have both kinds.
    """
    odds = np.array([none_log_odds(names) for names, _ in asked])
    nothing = np.array([right == NO_SKILL for _, right in asked], dtype=bool)
    if not len(asked) or nothing.all() or not nothing.any():
        return None
    called = 1 / (1 + np.exp(np.clip((odds[:, None] - GRID) / WIDTH, -500, 500)))
    wrong = called[nothing].mean(axis=0) + (1 - called[~nothing]).mean(axis=0)
    return round(probability(float(GRID[wrong.argmin()])), 6)


def calls_nothing(names: Mapping[str, float], threshold: float) -> bool:
    """Return whether nothing is called, from the probabilities of the names: `none` reaches the threshold, or no skill
    is likelier than `none`.

    >>> calls_nothing({"none": 0.4, "weather": 0.6}, 0.5), calls_nothing({"none": 0.4, "a": 0.3, "b": 0.3}, 0.5)
    (False, True)
    """
    return names[NO_SKILL] >= min(threshold, max(names.values()))


def none_counts(answers: Sequence[Answered]) -> np.ndarray:
    """Return one row per answer: its level among requests for nothing, its level among the others, and the gate's.

    Answers without names, and gates without a threshold, have a row of zeros. Raises LabError naming the request whose
    names are not log probabilities.
    """
    rows = np.zeros((len(answers), COLUMNS))
    for row, (answer, right, calls, key) in zip(rows, answers, strict=True):
        names = answer.get(NAMES)
        if names is None:
            continue
        odds = none_log_odds(_checked(names, key))
        nothing, level = right == NO_SKILL, int(np.clip((odds + ENDS) / STEP, 0, LEVELS - 1))
        row[level + (0 if nothing else LEVELS)] = 1
        threshold = answer.get(THRESHOLD)
        if threshold is not None:
            called = calls and not calls_nothing(shares(names), _number(threshold, key))
            row[2 * LEVELS :] = nothing, nothing and called, not nothing, not nothing and not called
    return rows


def _checked(names: Any, key: str) -> Mapping[str, float]:
    """Return names with their log probabilities, none among them and one beside it."""
    known = isinstance(names, Mapping) and NO_SKILL in names and len(names) > 1
    if not known or not all(type(value) in (int, float) and math.isfinite(value) for value in names.values()):
        raise LabError(f"{key}: {NAMES} is {shown(names)}, expected a log probability for {NO_SKILL} and each skill")
    return names


def _number(value: Any, key: str) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise LabError(f"{key}: {THRESHOLD} is {shown(value)}, expected a probability")
    return float(value)


def none_figures(sums: np.ndarray) -> dict[str, float | None]:
    """Return {metric: value} of summed counts, see `none_counts`, in shares of 1; None for what was not measured."""
    nothing, calls, gate = sums[:LEVELS], sums[LEVELS : 2 * LEVELS], sums[2 * LEVELS :]
    return {
        "auroc": auroc(nothing, calls),
        "false_triggers_gated": float(gate[1] / gate[0]) if gate[0] else None,
        "misses_gated": float(gate[3] / gate[2]) if gate[2] else None,
    }


def auroc(nothing: np.ndarray, calls: np.ndarray) -> float | None:
    """Return how often a request of the first histogram has a higher level than one of the second; ties count half."""
    if not nothing.sum() or not calls.sum():
        return None
    below = np.cumsum(calls) - calls
    return float((nothing * (below + calls / 2)).sum() / (nothing.sum() * calls.sum()))


def curve(sums: np.ndarray) -> list[tuple[float, float, float]]:
    """Return (threshold, false triggers, misses) of every level, by the probability of none alone, in shares of 1.

    Nothing is called from the threshold on. Empty where nothing was measured.
    """
    nothing, calls = sums[:LEVELS], sums[LEVELS : 2 * LEVELS]
    if not nothing.sum() or not calls.sum():
        return []
    triggered = np.concatenate([[0.0], np.cumsum(nothing)]) / nothing.sum()
    missed = 1 - np.concatenate([[0.0], np.cumsum(calls)]) / calls.sum()
    cuts = [probability(level * STEP - ENDS) for level in range(LEVELS + 1)]
    return [(cut, float(one), float(other)) for cut, one, other in zip(cuts, triggered, missed, strict=True)]


def trade_off(sums: np.ndarray) -> list[dict[str, Any]]:
    """Return the curve of false triggers against misses, as reports draw it; none where nothing was measured."""
    points = list(dict.fromkeys((100 * one, 100 * other) for _, one, other in curve(sums)))
    if not points:
        return []
    gate = sums[2 * LEVELS :]
    chosen = [100 * gate[1] / gate[0], 100 * gate[3] / gate[2]] if gate[0] and gate[2] else []
    labels = "False triggers (% of requests for nothing)", "Misses (% of requests for a skill)"
    return [row_curve("When to call nothing", *labels, points, chosen, "the threshold of dev")]
