"""The result of a run in one sentence: its main metric before and after training, and the best trivial baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.results.cells import number, span

UNTRAINED = ("base", "start")


def result_sentence(record: Mapping[str, Any], items: str) -> str | None:
    """Return the final sentence about a run's record; None if no system has a score in the main metric.

    With several fine-tuned systems it is about the first one, because choosing the best afterwards would be biased.
    """
    metric = next(metric for metric in record["metrics"] if metric["key"] == record["main"])
    rows = [row for row in record["rows"].values() if row["values"].get(metric["key"]) is not None]
    before = _first(rows, *UNTRAINED)
    after = _first([row for name, row in record["rows"].items() if name == "fine-tuned" and row in rows], "finetuned")
    after = after or _first(rows, "finetuned")
    if after is None and before is None:
        return None
    said = _said(after or before, metric)
    if after is None:
        said = f"Without training {metric['heading']} is {said}"
    elif before is None:
        said = f"With fine-tuning {metric['heading']} is {said}"
    else:
        low = number(before["values"][metric["key"]], metric["decimals"])
        said = f"With fine-tuning {metric['heading']} went from {low} to {said}"
    return f"{said} on {record['reported']['items']} {record['reported']['split']} {items}{_beside(rows, metric)}."


def _first(rows: Sequence[Mapping[str, Any]], *kinds: str) -> Any:
    return next((row for row in rows if row["kind"] in kinds), None)


def _said(row: Mapping[str, Any], metric: Mapping[str, Any]) -> str:
    """Return a row's value with its interval, if it has one."""
    key, decimals = metric["key"], metric["decimals"]
    value = number(row["values"][key], decimals)
    interval = row["intervals"].get(key)
    return f"{value} (95 % interval {span(interval[0], interval[1], decimals)})" if interval else value


def _beside(rows: Sequence[Mapping[str, Any]], metric: Mapping[str, Any]) -> str:
    """Return the part about the best trivial row, or "" if there is none."""
    values = [row["values"][metric["key"]] for row in rows if row["kind"] == "trivial"]
    if not values:
        return ""
    best = max(values) if metric["higher_is_better"] else min(values)
    return f"; the best trivial baseline has {number(best, metric['decimals'])}"
