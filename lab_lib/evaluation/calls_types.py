"""What the function-call scorer returns: one verdict per item, and accuracies with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from lab_lib.errors import LabError
from lab_lib.evaluation.bootstrap import Comparison, Pooled, compare, pool

RESAMPLES = 1000

# The error types of the function-calling leaderboard, and what each means in a report.
CAUSES = {
    "ast_decoder:decoder_failed": "unparsable call",
    "ast_decoder:decoder_wrong_output_format": "not a list of calls",
    "simple_function_checker:wrong_count": "wrong number of calls",
    "multiple_function_checker:wrong_count": "wrong number of calls",
    "parallel_function_checker_no_order:wrong_count": "wrong number of calls",
    "parallel_function_checker_no_order:cannot_find_match": "an expected call is missing",
    "simple_function_checker:wrong_func_name": "wrong function",
    "simple_function_checker:missing_required": "required argument missing",
    "simple_function_checker:unexpected_param": "unexpected argument",
    "simple_function_checker:missing_optional": "expected optional argument missing",
    "type_error:simple": "wrong type",
    "type_error:nested": "wrong type inside a list",
    "value_error:string": "wrong text",
    "value_error:list/tuple": "wrong list",
    "value_error:list_dict_count": "wrong number of dictionaries",
    "value_error:dict_key": "wrong key in a dictionary",
    "value_error:dict_value": "wrong value in a dictionary",
    "dict_checker:unclear": "no dictionary is accepted",
    "list_dict_checker:unclear": "no list is accepted",
    "value_error:others": "wrong value",
    "irrelevance_error:decoder_success": "a call where none is right",
    "relevance_error:decoder_failed": "no call where one is needed",
}

# The rows of the leaderboard: non-live AST is a plain mean of these, live AST is weighted by items.
NON_LIVE = ("simple_python", "multiple", "parallel", "parallel_multiple")
LIVE = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")


@dataclass(frozen=True)
class Verdict:
    """One item: right or wrong, the leaderboard's error type (a key of CAUSES, None if right) and a message.

    `correct` assigns parallel calls greedily, as the leaderboard does; `correct_exact` by the best assignment
    there is, so it is never False where `correct` is True. `parse_reason` says why a text is no call (a key of
    `lab_lib.calls.call.REASONS`).
    """

    correct: bool
    error_type: str | None = None
    message: str = ""
    correct_exact: bool = False
    parse_reason: str | None = None

    @property
    def cause(self) -> str:
        """The error type in words, empty if the item is right."""
        return CAUSES[self.error_type] if self.error_type else ""


@dataclass(frozen=True)
class CallScores:
    """Accuracies in per cent, by category and as the leaderboard's means where all their categories are there.

    `accuracy` follows the leaderboard (parallel calls assigned greedily), `accuracy_exact` assigns them in the
    best way. Keys are the categories, `overall` (of all items), and `non_live_ast` and `live_ast`. `intervals` are
    95 % bootstrap intervals over items for `accuracy`, empty when no resampling was asked for. `counts` has one
    row per item (see `columns`): what everything else is made of.
    """

    accuracy: Mapping[str, float]
    accuracy_exact: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    error_types: Mapping[str, int]
    items: int
    per_item: Mapping[str, Verdict]
    notes: tuple[str, ...]
    signature: str
    columns: tuple[str, ...]
    counts: np.ndarray = field(repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        """Return everything but the counts as plain JSON values."""
        return {
            "accuracy": dict(self.accuracy),
            "accuracy_exact": dict(self.accuracy_exact),
            "intervals": {name: list(pair) for name, pair in self.intervals.items()},
            "error_types": dict(self.error_types),
            "items": self.items,
            "notes": list(self.notes),
            "signature": self.signature,
            "per_item": {key: {**asdict(verdict), "cause": verdict.cause} for key, verdict in self.per_item.items()},
        }


class Accuracies:
    """Per cent right of summed counts, whose columns are the items and the right ones of each category in turn."""

    def __init__(self, categories: Sequence[str]) -> None:
        """`categories` in the order of the columns."""
        self.categories = tuple(categories)

    def __call__(self, counts: np.ndarray) -> dict[str, float]:
        """Return {category or mean: per cent}. A category of which a resample drew no item counts 0 there."""
        items, right = counts[::2], counts[1::2]
        each = {
            name: 100 * float(r) / max(float(n), 1.0) for name, n, r in zip(self.categories, items, right, strict=True)
        }
        result = {**each, "overall": 100 * float(right.sum()) / max(float(items.sum()), 1.0)}
        if all(name in each for name in NON_LIVE):
            result["non_live_ast"] = sum(each[name] for name in NON_LIVE) / len(NON_LIVE)
        if all(name in each for name in LIVE):
            rows = [self.categories.index(name) for name in LIVE]
            result["live_ast"] = 100 * float(right[rows].sum()) / max(float(items[rows].sum()), 1.0)
        return result


def compare_call_systems(
    first: CallScores, second: CallScores, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Comparison]:
    """Return {accuracy: first minus second with interval and p} by a paired bootstrap over items.

    Raises LabError unless both were scored on the same items.
    """
    return compare(first.counts, _aligned(first, second), Accuracies(first.columns), resamples, seed)


def pool_call_seeds(scores: Sequence[CallScores], resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Pooled]:
    """Return {accuracy: mean over runs, with an interval over runs and items}.

    Raises LabError unless all runs were scored on the same items.
    """
    if not scores:
        raise LabError("pooling: no scores given")
    rows = [_aligned(scores[0], other) for other in scores]
    return pool(rows, Accuracies(scores[0].columns), resamples, seed)


def _aligned(first: CallScores, second: CallScores) -> np.ndarray:
    """Return the second's counts in the first's order of items and categories."""
    row = {key: number for number, key in enumerate(second.per_item)}
    different = set(row) ^ set(first.per_item)
    if different or first.columns != second.columns:
        named = ", ".join(sorted(different)[:3])
        raise LabError(f"comparison: {len(different)} items were scored for one system only: {named}")
    return second.counts[[row[key] for key in first.per_item]]
