"""Metrics, rows and scores made up for tests of tables, figures and pages: nothing here was measured."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lab_lib.evaluation.scores import Metric, Row, Scores, Verdict

COMBINED = Metric("combined", "Combined", high=200.0)
METRICS = (
    Metric("bleu", "BLEU", explanation="BLEU: how close the wording is."),
    Metric("inform", "Inform"),
    Metric("success", "Success"),
    COMBINED,
    Metric("length", "Length", "words", high=None, descriptive=True),
    Metric("words", "Words", "words", high=None, decimals=0, descriptive=True),
    Metric("trigrams", "3-grams", "3-grams", high=None, decimals=0, descriptive=True),
)
# A second table, and a metric that has no bounds and is better when it is low.
CALLS = Metric("calls", "Calls", group="Calls made", explanation="Calls: turns whose calls are right.")
MARGIN = Metric("margin", "Margin", "nats", low=None, high=None, decimals=2)
LOSS = Metric("loss", "Loss", "nats", high=None, higher_is_better=False, decimals=2)


def scores(
    values: Mapping[str, float] | None = None, per_item: Mapping[str, Verdict] | None = None, **more: object
) -> Scores:
    """Scores of two items with these values."""
    given = {"intervals": {}, "items": 2, "answers": 4, "signature": "made up", **more}
    counts = np.zeros((len(per_item or ()), 1))
    return Scores(values or {}, counts=counts, of_counts=lambda sums: {}, per_item=per_item or {}, **given)


def row(name: str, kind: str, values: Mapping[str, float] | None = None, **more: object) -> Row:
    """A scored row."""
    return Row(name, kind, {}, scores(values, **more))
