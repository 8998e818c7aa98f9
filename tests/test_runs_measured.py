"""`fastest`: measured when a run begins, kept in its folder, used again on every later command."""

from __future__ import annotations

import json

import pytest

from lab_lib.config import to_yaml
from lab_lib.errors import LabError
from lab_lib.files import read_json, write_json
from lab_lib.models.fast_cpu import fastest as timing
from lab_lib.models.hardware import Machine, choose_attention, choose_dtype
from lab_lib.runs.config import load_recipe, load_run_config

QUICK = [
    "model.dtype=fastest", "model.attention=fastest", "training.steps=2", "training.evaluate_every=0",
    "training.batch_size=2", "training.micro_batch_size=2", "data.max_train=4", "data.max_test=2",
]  # fmt: skip
T4 = Machine("T4", (7, 5))


def test_the_way_with_the_least_time_wins_and_all_times_are_the_reason(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    late = iter([0.5, 0.004, 0.009, 0.004] + [0.02] * 99)  # the first time, with its kernels compiled, does not count

    def takes(seconds):
        now[0] += seconds

    found = timing.fastest({"slow": lambda: takes(0.005), "quick": lambda: takes(next(late))})
    assert (found.value, found.reason) == ("quick", "measured here: slow 5.0 ms, quick 4.0 ms for the same work")


def test_where_nothing_was_measured_it_means_auto():
    for machine in (T4, Machine(native_bf16_cpu=True), Machine()):
        assert choose_dtype("fastest", machine) == choose_dtype("auto", machine)
        assert choose_attention("fastest", machine) == choose_attention("auto", machine)
    assert timing.fastest_dtype(None, T4).value == timing.fastest_attention(None, T4).value == "auto"
    assert timing.fastest_dtype(None, Machine()).value == "auto"  # no bf16: nothing to choose from


def test_a_run_keeps_what_was_the_fastest_where_it_began(tmp_path, cli):
    run = tmp_path / "run"
    code, _, err = cli("train", "town-qlora-cpu", *QUICK, "--out", run)
    assert code == 0, err
    found = read_json(run / "measured.json")
    assert found["dtype"]["value"] in ("bf16", "fp32", "auto") and found["dtype"]["reason"] in err
    assert load_run_config(run).model.dtype == found["dtype"]["value"]
    assert "dtype: fastest" in (run / "config.yaml").read_text()
    other = "bf16" if found["dtype"]["value"] == "fp32" else "fp32"
    write_json(run / "measured.json", {**found, "dtype": {"value": other, "reason": "on another machine"}})
    code, _, err = cli("train", "town-qlora-cpu", *QUICK, "--out", run)
    assert code == 0 and "measured here" not in err, err
    assert load_run_config(run).model.dtype == other


@pytest.mark.parametrize("damage", [[1], {"dtype": "fp32"}, {"dtype": {"value": "fp17"}}, {"speed": {"value": 1}}])
def test_a_damaged_file_is_one_line(damage, tmp_path):
    (tmp_path / "config.yaml").write_text(to_yaml(load_recipe("town-qlora-cpu", ["model.dtype=fastest"])))
    (tmp_path / "measured.json").write_text(json.dumps(damage))
    with pytest.raises(LabError, match=r"measured\.json"):
        load_run_config(tmp_path)
