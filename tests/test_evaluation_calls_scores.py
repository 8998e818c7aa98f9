"""Accuracies, means and intervals of the function-call scorer by hand, and predictions that do not fit the items."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lab_lib.calls.bfcl import CallItem, Expected
from lab_lib.calls.schema import read_function
from lab_lib.errors import LabError
from lab_lib.evaluation.calls import score_calls
from lab_lib.evaluation.calls_types import compare_call_systems, pool_call_seeds

NO_MATCH = "parallel_function_checker_no_order:cannot_find_match"
RAW = {"name": "f", "parameters": {"properties": {"x": {"type": "integer"}}, "required": ["x"]}}
FUNCTION = read_function(RAW, "test")


def item(key: str, category: str, *answers: tuple[int, ...]) -> CallItem:
    """An item that expects calls f(x=...), each with its accepted values."""
    return CallItem(key, category, (), (FUNCTION,), tuple(Expected("f", {"x": values}) for values in answers))


def everything(right: dict[str, tuple[int, int]]) -> tuple[list[CallItem], dict[str, str]]:
    """Items and predictions with (right, all) items of each category."""
    items, predictions = [], {}
    for category, (correct, total) in right.items():
        for number in range(total):
            one = item(f"{category}_{number}", category, *([] if "relevance" in category else [(1,)]))
            items.append(one)
            good, bad = ("", "f(x=1)") if category.endswith("irrelevance") else ("f(x=1)", "f(x=2)")
            predictions[one.key] = good if number < correct else bad
    return items, predictions


NON_LIVE = {"simple_python": (1, 4), "multiple": (2, 4), "parallel": (3, 4), "parallel_multiple": (8, 8)}


def test_accuracies_and_the_plain_mean_of_the_leaderboard() -> None:
    scores = score_calls(*everything({**NON_LIVE, "irrelevance": (1, 5)}), resamples=0)
    # 25, 50, 75 and 100 %: their plain mean is 62.5, whatever the numbers of items; irrelevance is not in it.
    assert scores.accuracy == {
        "simple_python": 25.0,
        "multiple": 50.0,
        "parallel": 75.0,
        "parallel_multiple": 100.0,
        "irrelevance": 20.0,
        "overall": 60.0,
        "non_live_ast": 62.5,
    }
    assert scores.accuracy_exact == scores.accuracy and scores.intervals == {}
    assert scores.error_types == {"value_error:others": 5, "irrelevance_error:decoder_success": 4, NO_MATCH: 1}
    assert scores.items == 25 and len(scores.per_item) == 25
    assert any("Java" in note for note in scores.notes)


def test_live_categories_are_weighted_by_items() -> None:
    live = {"live_simple": (1, 1), "live_multiple": (0, 2), "live_parallel": (0, 0), "live_parallel_multiple": (1, 1)}
    items, predictions = everything({**live, "live_parallel": (1, 1), "live_irrelevance": (0, 3)})
    accuracy = score_calls(items, predictions, resamples=0).accuracy
    assert accuracy["live_ast"] == pytest.approx(60.0)  # 3 of 5
    assert "non_live_ast" not in accuracy


def test_no_mean_of_categories_that_are_not_all_there() -> None:
    scores = score_calls(*everything({"multiple": (1, 2), "parallel": (1, 2)}), resamples=0)
    assert set(scores.accuracy) == {"multiple", "parallel", "overall"}


def test_both_parallel_verdicts_are_counted() -> None:
    one = item("parallel_0", "parallel", (1, 2), (1,))
    scores = score_calls([one], {one.key: "[f(x=1), f(x=2)]"}, resamples=0)
    assert (scores.accuracy["parallel"], scores.accuracy_exact["parallel"]) == (0.0, 100.0)
    own = score_calls([one], {one.key: "[f(x=1), f(x=2)]"}, strict_bfcl=False, resamples=0)
    assert own.accuracy["parallel"] == 100.0 and any("strict_bfcl is off" in note for note in own.notes)
    assert own.signature != scores.signature


def test_the_report_is_plain_json_and_the_same_twice() -> None:
    items, predictions = everything(NON_LIVE)
    predictions[items[-1].key] = "f(x='\\ud800', y={1: 2j})"
    first, second = (score_calls(items, predictions, resamples=20, seed=3) for _ in range(2))
    assert json.dumps(first.as_json()) == json.dumps(second.as_json())
    report = json.loads(json.dumps(first.as_json()))
    assert report["per_item"]["multiple_3"]["cause"] == "wrong value"
    assert set(report["intervals"]) == set(report["accuracy"])
    assert "seed:3" in report["signature"]


def test_intervals_hold_the_accuracy_and_grow_smaller_with_more_items() -> None:
    few = score_calls(*everything({"multiple": (10, 20)}))
    many = score_calls(*everything({"multiple": (200, 400)}))
    widths = []
    for scores in (few, many):
        low, high = scores.intervals["multiple"]
        assert low < 50 < high
        widths.append(high - low)
    # The standard error of a share of one half is 50 / sqrt(n): 11.2 and 2.5 points, twice 1.96 of them wide.
    assert widths == pytest.approx([43.8, 9.8], rel=0.15)


def test_two_systems_and_several_seeds() -> None:
    items, good = everything({"multiple": (40, 50)})
    _, bad = everything({"multiple": (20, 50)})
    first, second = score_calls(items, good, resamples=0), score_calls(items[::-1], bad, resamples=0)
    difference = compare_call_systems(first, second)["multiple"]
    assert difference.difference == pytest.approx(40.0) and difference.low > 0 and difference.p < 0.01
    same = compare_call_systems(first, first)["multiple"]
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    pooled = pool_call_seeds([first, second])["multiple"]
    assert pooled.mean == pytest.approx(60.0) and pooled.low < 60 < pooled.high
    with pytest.raises(LabError, match="1 items were scored for one system only: multiple_49"):
        compare_call_systems(first, score_calls(items[:-1], {i.key: "" for i in items[:-1]}, resamples=0))
    with pytest.raises(LabError, match="no scores"):
        pool_call_seeds([])


def test_predictions_must_fit_the_items() -> None:
    items, predictions = everything({"multiple": (1, 2)})
    with pytest.raises(LabError, match="1 of 2 items have none, the first is 'multiple_1'"):
        score_calls(items, {"multiple_0": ""})
    with pytest.raises(LabError, match="1 unknown items, the first is 'multiple_11'; did you mean 'multiple_1'"):
        score_calls(items, {**predictions, "multiple_11": ""})
    with pytest.raises(LabError, match=r"unknown items, the first is 7; expected ids like 'multiple_0'"):
        score_calls(items, {**predictions, 7: ""})  # type: ignore[dict-item]
    with pytest.raises(LabError, match="no items"):
        score_calls([], {})
    with pytest.raises(LabError, match="multiple_0 is there more than once"):
        score_calls([items[0], items[0]], predictions)
    with pytest.raises(LabError, match="found list"):
        score_calls(items, [predictions])  # type: ignore[arg-type]


def test_counts_are_what_the_accuracies_are_made_of() -> None:
    scores = score_calls(*everything({"multiple": (1, 2), "irrelevance": (1, 1)}), resamples=0)
    assert scores.columns == ("multiple", "irrelevance")
    assert np.array_equal(scores.counts, [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1]])
