"""The oracle and trivial rows of a sweep: some learn from the training items, so they differ between settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from lab_lib.evaluation.scores import Metric
from lab_lib.results.rows import TableRow
from lab_lib.tasks.base import Words

BASELINES = ("oracle", "trivial")
Range = tuple[float, float]


def strongest(records: Sequence[Mapping[str, Any]], metric: Metric) -> dict[str, dict[str, Any]]:
    """Return each oracle and trivial row as it is in the run where it is best: what every setting is compared with."""
    best: dict[str, dict[str, Any]] = {}
    for record in records:
        for name, row in record["rows"].items():
            if row["kind"] in BASELINES and (name not in best or _better(row, best[name], metric)):
                best[name] = row
    return best


def _better(row: Mapping[str, Any], other: Mapping[str, Any], metric: Metric) -> bool:
    one, two = row["values"].get(metric.key), other["values"].get(metric.key)
    return one is not None and two is not None and metric.better(one, two)


def ranges(records: Sequence[Mapping[str, Any]], metric: Metric) -> dict[str, Range]:
    """Return {row: (lowest, highest)} of the oracle and trivial rows whose scores differ between the runs."""
    found: dict[str, list[float]] = {}
    for record in records:
        for name, row in record["rows"].items():
            if row["kind"] in BASELINES and metric.key in row["values"]:
                found.setdefault(name, []).append(row["values"][metric.key])
    return {name: (min(values), max(values)) for name, values in found.items() if min(values) != max(values)}


def floors_of(rows: Iterable[TableRow], metric: str, varying: Collection[str] = ()) -> dict[str, float]:
    """Return what the trivial baselines score in a metric; nothing for what is no score (seconds, weights).

    Rows that are `varying` between the runs are called "..., at best".
    """
    found = ((row, row.name + ", at best" * (row.name in varying)) for row in rows if row.kind == "trivial")
    return {name: row.values[metric] for row, name in found if metric in row.values}


def baseline_line(
    rows: Iterable[TableRow], metric: Metric, words: Words, varying: Mapping[str, Sequence[float]] | None = None
) -> str:
    """Return the scores of oracle and trivial baselines in the main metric on the scored items.

    `varying` are the lowest and highest scores of rows that differ between the runs.
    """

    def said(row: TableRow) -> str:
        ends = (varying or {}).get(row.name, [row.values[metric.key]])
        text = " to ".join(f"{end:.{metric.decimals}f}" for end in ends)
        return f"{row.name} {text}" + " (by run)" * (len(ends) > 1)

    reached = ", ".join(said(row) for row in rows if metric.key in row.values)
    return f"{metric.heading} on the same {words.items}: {reached}."
