"""The records in results/: each has the shape that runs and sweeps write today, and a config that can be run again."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab_lib.config import build
from lab_lib.files import read_json
from lab_lib.results.rows import read_recorded, read_row, subject
from lab_lib.runs.config import RunConfig, task_config
from lab_lib.sweeps.grid import load_sweep
from lab_lib.sweeps.summary import read_measures, to_row
from lab_lib.sweeps.table import merge_seeds

RESULTS = Path(__file__).parent.parent / "results"
RUNS = sorted(path for path in RESULTS.glob("*/*.json") if "rows" in read_json(path))
SWEEPS = sorted(RESULTS.glob("*/summary.json"))


def build_config(values: dict) -> RunConfig:
    return build(RunConfig, {**values, "task": task_config(values["task"], "record")}, "record")


@pytest.mark.parametrize("path", RUNS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_record_of_a_run_can_be_read_and_its_config_built(path):
    record = read_json(path)
    found = read_recorded(record, path)
    assert found.headline and (subject(found.rows).kind == "base") == (record["config"]["training"]["steps"] == 0)
    assert {row.kind for row in found.baselines} == {"oracle", "trivial"}
    assert {row.items for row in found.rows} == {record["reported"]["items"]}
    for row in found.rows:
        assert row.intervals.keys() <= row.values.keys()
        assert all(low <= high for low, high in row.intervals.values())
    config = build_config(record["config"])
    assert (config.task.name, config.data.report_split) == (record["task"], record["reported"]["split"])


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.parent.name)
def test_the_summary_of_a_sweep_can_be_read_and_its_points_made_again(path):
    summary = read_json(path)
    measures, rows = read_measures(summary, path), [to_row(run) for run in summary["runs"]]
    points = merge_seeds(rows, measures)
    assert {read_row(name, row).kind for name, row in summary["baselines"].items()} == {"oracle", "trivial"}
    assert summary["main"] == measures.main_metric.key
    assert summary["metric"] == (load_sweep(path.parent.name).figure.metric or summary["main"])
    for point, kept in zip(points, summary.get("points", ()), strict=False):
        assert kept["name"] == point.name
        for name, estimate in kept["estimates"].items():
            assert tuple(estimate["values"]) == point.estimates[name].values
    if "config_of_first_run" in summary:
        config = build_config(summary["config_of_first_run"]).data
        assert config.report_split == summary["scored"]["split"]
        assert config.report == load_sweep(path.parent.name).report
