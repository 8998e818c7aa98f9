"""Scores of the schema-guided task: function, slots and whole call, and the recognition of utterances without one.

All scores are ratios of counts that are summed over utterances.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import lab_lib
from lab_lib.calls.call import Call, ParseError
from lab_lib.calls.parse import parse_calls
from lab_lib.errors import LabError
from lab_lib.evaluation.bootstrap import intervals
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Metric, Predictions, Scores, Verdict
from lab_lib.exemplars.types import NONE, AnnotatedExemplar
from lab_lib.tasks.schema_guided_data import KINDS, GuidedItem

BY_KIND = "Utterances that mean no function, by kind"
SHOWN_KINDS = {"easy": "thanks and goodbye", "hard": "turns that go on", "away": "families that are not on offer"}
METRICS = (
    Metric("exact", "Exact call", "%", explanation="Exact call: of the utterances that mean a function, those with the "
           "right function and every slot right. A value counts as it is noted and as it was said; case does not."),
    Metric("function", "Function", "%", explanation="Function: functions with exemplars in the index."),
    Metric("function_unseen", "Function, unseen", "%", explanation="Function, unseen: functions without an exemplar, "
           "which only their description can give away."),
    Metric("slot_f1", "Slot F1", "%", explanation="Slot F1: of all functions; slots of a wrong function are wrong."),
    Metric("none_precision", "None precision", "%"),
    Metric("none_recall", "None recall", "%"),
    *(Metric(f"none_{of}_{kind}", f"{of.capitalize()}, {kind}", "%", group=BY_KIND,
             explanation=f"{kind}: {SHOWN_KINDS[kind]}. Precision: against the utterances that mean a function."
             if of == "precision" else "") for kind in KINDS for of in ("precision", "recall")),
)  # fmt: skip
# Counts of each utterance: of known and unseen functions, of slots, of each kind of none.
COLUMNS = (
    "known", "known_right", "unseen", "unseen_right", "exact", "slots_right", "slots_given", "slots_due", "false_none",
    *(f"{kind}{more}" for kind in KINDS for more in ("", "_right")),
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """The verdict on one answer; `call` is None if the answer is not a call."""

    call: Call | None
    function: bool
    slots: tuple[int, int, int]  # right, given, due
    cause: str = ""

    @property
    def exact(self) -> bool:
        """Whether function and slots are right."""
        return self.function and self.slots[0] == self.slots[1] == self.slots[2]


def judge(item: GuidedItem, text: str) -> Judged:
    """Return the verdict on the text of a call."""
    try:
        calls = parse_calls(text, strict_bfcl=False)
    except ParseError as error:
        return Judged(None, False, (0, 0, _due(item)), f"no call: {error.reason}")
    call = calls[0] if calls else Call(NONE, {})
    right = call.name == item.target
    given = {} if call.name == NONE else {str(slot): _words(value) for slot, value in call.arguments.items()}
    accepted = {} if item.kind else accepted_values(item.exemplar)
    hits = sum(value in accepted.get(slot, ()) for slot, value in given.items()) if right else 0
    return Judged(call, right, (hits, len(given), _due(item)), _cause(item, call, given, accepted))


def _due(item: GuidedItem) -> int:
    return 0 if item.kind else sum(bool(values) for values in item.exemplar.target_arguments.values())


def accepted_values(one: AnnotatedExemplar) -> dict[str, set[tuple[str, ...]]]:
    """Return {slot: accepted values}: its values as annotated, and the user's own words for them."""
    noted = {slot: {_words(list(values))} for slot, values in one.target_arguments.items() if values}
    return {slot: {*ways, *([_words(list(one.spoken[slot]))] if slot in one.spoken else [])}
            for slot, ways in noted.items()}  # fmt: skip


def _words(value: Any) -> tuple[str, ...]:
    """Return a value, or the values of a list, in lower case and with single spaces.

    >>> _words("New  York"), _words([2, True])
    (('new york',), ('2', 'true'))
    """
    return tuple(" ".join(str(one).casefold().split()) for one in (value if isinstance(value, list) else [value]))


def _cause(item: GuidedItem, call: Call, given: Mapping[str, Any], accepted: Mapping[str, set[Any]]) -> str:
    if call.name != item.target:
        return f"none for {item.kind}" if item.kind else "none" if call.name == NONE else "another function"
    for slot, ways in accepted.items():
        if slot not in given:
            return "a slot is missing"
        if given[slot] not in ways:
            return "a slot has another value"
    return "a slot that is not said" if given.keys() - accepted.keys() else ""


class Figures:
    """The scores of summed counts. `keys` are the metrics to return; one without a value in a resample is NaN."""

    def __init__(self, keys: Sequence[str] | None = None) -> None:
        self.keys = keys

    def __call__(self, sums: np.ndarray) -> dict[str, float]:
        """Return {metric: per cent}."""
        counts = dict(zip(COLUMNS, sums.tolist(), strict=True))
        pairs = self._ratios(counts)
        found = {key: 100 * part / whole for key, (part, whole) in pairs.items() if whole}
        return found if self.keys is None else {key: found.get(key, float("nan")) for key in self.keys}

    @staticmethod
    def _ratios(counts: Mapping[str, float]) -> dict[str, tuple[float, float]]:
        asking = counts["known"] + counts["unseen"]
        none = {kind: (counts[f"{kind}_right"], counts[kind]) for kind in KINDS}
        right, due = (sum(pair[place] for pair in none.values()) for place in (0, 1))
        found = {
            "exact": (counts["exact"], asking),
            "function": (counts["known_right"], counts["known"]),
            "function_unseen": (counts["unseen_right"], counts["unseen"]),
            "slot_f1": (2 * counts["slots_right"], counts["slots_given"] + counts["slots_due"]),
            "none_precision": (right, (right + counts["false_none"]) * (due > 0)),
            "none_recall": (right, due),
        }
        for kind, (hits, total) in none.items():
            found[f"none_recall_{kind}"] = (hits, total)
            found[f"none_precision_{kind}"] = (hits, (hits + counts["false_none"]) * (total > 0))
        return found


def score_guided(items: Sequence[GuidedItem], predictions: Predictions, settings: EvaluateConfig) -> Scores:
    """Score the predicted calls of some utterances. Raises LabError for an utterance with several answers."""
    asked = [item for item in items if item.key in predictions]
    for item in asked:
        if len(predictions[item.key]) != 1:
            raise LabError(f"{item.key}: {len(predictions[item.key])} answers, expected one")
    judged = {item.key: judge(item, str(predictions[item.key][0]["response"])) for item in asked}
    counts = np.array([_counts(item, judged[item.key]) for item in asked], dtype=float).reshape(len(asked), -1)
    values = Figures()(counts.sum(axis=0))
    figures = Figures(tuple(values))
    ranges = intervals(counts, figures, settings.resamples, settings.seed) if settings.resamples else {}
    causes = Counter(found.cause for found in judged.values() if found.cause)
    return Scores(
        values=values,
        intervals={key: pair for key, pair in ranges.items() if not np.isnan(pair).any()},
        counts=counts,
        of_counts=figures,
        per_item={item.key: _verdict(item, judged[item.key]) for item in asked},
        items=len(asked),
        answers=len(asked),
        signature=f"schema_guided|resamples:{settings.resamples}|seed:{settings.seed}|lab_lib:{lab_lib.__version__}",
        extra={"causes": dict(causes.most_common())},
    )


def _counts(item: GuidedItem, found: Judged) -> list[float]:
    row = dict.fromkeys(COLUMNS, 0.0)
    if item.kind:
        row[item.kind], row[f"{item.kind}_right"] = 1, found.function
    else:
        group = "known" if item.known else "unseen"
        row[group], row[f"{group}_right"], row["exact"] = 1, found.function, found.exact
        row["false_none"] = found.call is not None and found.call.name == NONE
        row["slots_right"], row["slots_given"], row["slots_due"] = found.slots
    return [float(value) for value in row.values()]


def _verdict(item: GuidedItem, found: Judged) -> Verdict:
    marks = {"Function": found.function, "Exact": found.exact}
    return Verdict(marks, (found.cause,) if found.cause else (), {item.kind or item.target: marks})
