"""Baselines of a sweep: those that learn from the training items differ between its runs."""

from __future__ import annotations

from lab_lib.evaluation.scores import Metric
from lab_lib.results.rows import TableRow
from lab_lib.sweeps.baselines import baseline_line, floors_of, ranges, strongest
from lab_lib.tasks.base import Words

EXACT = Metric("exact", "Exact", "%")
LOSS = Metric("loss", "Loss", "nats", higher_is_better=False)


def record(nearest, never):
    rows = {"gold": ("oracle", 100.0), "nearest": ("trivial", nearest), "never": ("trivial", never)}
    entries = {name: {"kind": kind, "values": {"exact": value, "loss": value}} for name, (kind, value) in rows.items()}
    return {"rows": {**entries, "fine-tuned": {"kind": "finetuned", "values": {"exact": 50.0, "loss": 50.0}}}}


RECORDS = [record(1.2, 3.0), record(11.0, 3.0), record(4.0, 3.0)]


def test_every_setting_is_compared_with_a_baseline_at_its_best():
    best = strongest(RECORDS, EXACT)
    assert {name: row["values"]["exact"] for name, row in best.items()} == {
        "gold": 100.0,
        "nearest": 11.0,
        "never": 3.0,
    }
    assert strongest(RECORDS, LOSS)["nearest"]["values"]["loss"] == 1.2


def test_the_range_of_what_differs_is_said_under_the_table_and_in_the_figure():
    varying = ranges(RECORDS, EXACT)
    assert varying == {"nearest": (1.2, 11.0)}
    rows = [TableRow(name, row["kind"], row["values"]) for name, row in strongest(RECORDS, EXACT).items()]
    line = baseline_line(rows, EXACT, Words(), varying)
    assert line.endswith(": gold 100.0, nearest 1.2 to 11.0 (by run), never 3.0.")
    assert floors_of(rows, "exact", varying) == {"nearest, at best": 11.0, "never": 3.0}
    assert floors_of(rows, "exact") == {"nearest": 11.0, "never": 3.0}
