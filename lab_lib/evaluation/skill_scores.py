"""Scores of calls for requests: exact calls, macro-averaged over skills, and the recognition of requests for nothing.

All scores are computed from additive counts of requests; resampling, paired tests and pooling of seeds need only these.
A call for a request for nothing is a false trigger. A request for a skill is missed if the answer is `none()` or not an
accepted call: in both cases nothing would run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

import lab_lib
from lab_lib.calls.call import REASONS as PARSE_REASONS
from lab_lib.calls.call import Call
from lab_lib.calls.skills.check import REASONS
from lab_lib.calls.skills.skill import NO_SKILL, Skills
from lab_lib.errors import LabError
from lab_lib.evaluation.bootstrap import intervals
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.none_scores import NONE_METRICS, none_counts, none_figures, trade_off
from lab_lib.evaluation.scores import Metric, Predictions, Scores, Verdict
from lab_lib.evaluation.skill_calls import Judged, judge

BY_SKILL = "Exact calls by skill"
OF_CLASS = ("requests", "exact", "tolerant", "function")  # counted for each skill and for none
OF_ALL = ("right", "given", "expected", "valid", "unfinished", "triggered", "missed")
MAIN = (
    Metric("exact_macro", "Exact, macro", "%", explanation="Exact, macro: requests for a skill that are answered by "
           "the right call, every argument equal; the mean over the skills."),
    Metric("tolerant_macro", "Tolerant, macro", "%", explanation="Tolerant: texts may differ in case, spaces and "
           "punctuation, by the string rule of the function-calling leaderboard; not those that have a pattern."),
    Metric("exact", "Exact", "%", explanation="Exact: of all requests, those that ask for nothing too."),
    Metric("function", "Function", "%", explanation="Function: the right skill, or rightly none."),
    Metric("argument_f1", "Argument F1", "%"),
    Metric("false_triggers", "False triggers", "%", higher_is_better=False, explanation="False triggers: requests that "
           "ask for nothing and are answered by a call."),
    Metric("misses", "Misses", "%", higher_is_better=False, explanation="Misses: requests for a skill that call none."),
    Metric("valid", "Valid", "%", explanation="Valid: answers that are one call which the skills accept, or none()."),
    Metric("unfinished", "Unfinished", "%", higher_is_better=False, explanation="Unfinished: answers that were cut at "
           "decoding.max_new_tokens."),
)  # fmt: skip


APART = (
    Metric("exact_apart", "New skills", "%", explanation="New skills: exact calls of those that task.examples_of or "
           "task.leave_out name, the mean over them; Other skills: over the rest."),
    Metric("exact_others", "Other skills", "%"),
)  # fmt: skip


def skill_metrics(names: Sequence[str], apart: Collection[str] = ()) -> tuple[Metric, ...]:
    """Return the metrics: of all requests, of skills `apart`, of the probability of none, and of each skill."""
    own = [Metric(f"exact_{name}", name, "%", group=BY_SKILL) for name in (*names, NO_SKILL)]
    return (*MAIN, *(APART if apart else ()), *NONE_METRICS, *own)


class Figures:
    """The values of summed counts: those of each class, those of all, those of the probabilities of none.

    Skills `apart` have a mean of their own, beside that of the others. `keys` are the metrics that have a value; a
    resample without one gives NaN, and then there is no interval. None: all that there are.
    """

    def __init__(self, names: Sequence[str], apart: Collection[str], keys: Sequence[str] | None = None) -> None:
        self.names, self.keys = (*names, NO_SKILL), keys
        self.apart = np.array([name in apart for name in names], dtype=bool)

    def __call__(self, sums: np.ndarray) -> dict[str, float]:
        """Return {metric: value}."""
        found = {key: 100 * value for key, value in self._shares(sums).items() if value is not None}
        return found if self.keys is None else {key: found.get(key, float("nan")) for key in self.keys}

    def _shares(self, sums: np.ndarray) -> dict[str, float | None]:
        """Return {metric: value in shares of 1, None for what was not measured or not asked}."""
        end = len(OF_CLASS) * len(self.names)
        by_class = sums[:end].reshape(-1, len(OF_CLASS))
        asked, exact, tolerant, function = by_class.T
        counted = dict(zip(OF_ALL, sums[end:], strict=False))
        calls, nothing, total = asked[:-1].sum(), asked[-1], asked.sum()
        parts = {"exact_apart": self.apart, "exact_others": ~self.apart} if self.apart.any() else {}
        return {
            **{key: _mean(exact[:-1][those], asked[:-1][those]) for key, those in parts.items()},
            "exact_macro": _mean(exact[:-1], asked[:-1]),
            "tolerant_macro": _mean(tolerant[:-1], asked[:-1]),
            "exact": _ratio(exact.sum(), total),
            "function": _ratio(function.sum(), total),
            "argument_f1": _ratio(2 * counted["right"], counted["given"] + counted["expected"]),
            "false_triggers": _ratio(counted["triggered"], nothing),
            "misses": _ratio(counted["missed"], calls),
            "valid": _ratio(counted["valid"], total),
            "unfinished": _ratio(counted["unfinished"], total),
            **{f"exact_{name}": _ratio(*pair) for name, *pair in zip(self.names, exact, asked, strict=True)},
            **none_figures(sums[end + len(OF_ALL) :]),
        }


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _mean(parts: np.ndarray, wholes: np.ndarray) -> float | None:
    """Return the mean ratio of the classes that there are."""
    there = wholes > 0
    return float((parts[there] / wholes[there]).mean()) if there.any() else None


def score_skills(
    gold: Mapping[str, Call],
    predictions: Predictions,
    skills: Skills,
    settings: EvaluateConfig,
    known: Sequence[str] | None = None,
    apart: Collection[str] = (),
) -> Scores:
    """Score the answers to the requests of `gold` {key: the right call} that have one.

    `known` are all skills that scores are compared over, those among them that are not on offer too; None: `skills`.
    `apart` are those with a mean of their own. Raises LabError for a request with several answers, and for
    probabilities of none that are none.
    """
    names, asked = list(skills if known is None else known), [key for key in gold if key in predictions]
    for key in asked:
        if len(predictions[key]) != 1:
            raise LabError(f"{key}: {len(predictions[key])} answers, expected one")
    judged = {key: judge(predictions[key][0], gold[key], skills) for key in asked}
    own = np.array([_counts(gold[key], judged[key], (*names, NO_SKILL)) for key in asked]).reshape(len(asked), -1)
    of_none = none_counts([(predictions[key][0], gold[key].name, judged[key].triggers, key) for key in asked])
    counts = np.hstack([own, of_none])
    values = Figures(names, apart)(counts.sum(axis=0))
    figures = Figures(names, apart, list(values))
    ranges = intervals(counts, figures, settings.resamples, settings.seed) if settings.resamples else {}
    return Scores(
        values=values,
        intervals=ranges,
        counts=counts,
        of_counts=figures,
        per_item={key: verdict(found, gold[key]) for key, found in judged.items()},
        items=len(asked),
        answers=len(asked),
        signature=f"skills|resamples:{settings.resamples}|seed:{settings.seed}|lab_lib:{lab_lib.__version__}",
        notes=_notes(list(judged.values())),
        extra={
            "predicted": _confusion(gold, judged),
            "causes": dict(_causes(judged.values()).most_common()),
            "curves": trade_off(counts[:, own.shape[1] :].sum(axis=0)),
        },
    )


def _counts(gold: Call, found: Judged, names: Sequence[str]) -> list[float]:
    of_class = np.zeros((len(names), len(OF_CLASS)))
    of_class[names.index(gold.name)] = 1, found.exact, found.tolerant, found.function
    nothing = gold.name == NO_SKILL
    flags = found.call is not None, not found.finished, nothing and found.triggers, not nothing and not found.triggers
    return [*of_class.ravel().tolist(), *found.pairs, *map(float, flags)]


def verdict(found: Judged, gold: Call) -> Verdict:
    """Return the verdict on an answer, with its skill as the part that it belongs to."""
    marks = {"Exact": found.exact, "Function": found.function, "Valid": found.call is not None}
    return Verdict(marks, (found.cause,) if found.cause else (), {gold.name: marks})


def _causes(judged: Any) -> Counter[str]:
    return Counter(found.cause for found in judged if found.cause)


def _notes(judged: Sequence[Judged]) -> tuple[str, ...]:
    """Say how many answers are no call that the skills accept, and why."""
    refused = _causes(found for found in judged if found.call is None)
    words = {**PARSE_REASONS, **REASONS}
    named = ", ".join(f"{words.get(cause, cause)} {count}" for cause, count in refused.most_common())
    return (f"{refused.total()} of {len(judged)} answers are no call that the skills accept: {named}",) if named else ()


def _confusion(gold: Mapping[str, Call], judged: Mapping[str, Judged]) -> dict[str, dict[str, int]]:
    """Return {right skill: {called skill: how often}}; "" for answers that are no accepted call."""
    found: dict[str, Counter[str]] = {}
    for key, one in judged.items():
        found.setdefault(gold[key].name, Counter())[one.call.name if one.call else ""] += 1
    return {name: dict(counts.most_common()) for name, counts in found.items()}
