"""`lab results submit`: a row is checked before anything is written, and nothing is written over."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path

import pytest
import submission_checkout
from submission_checkout import RECORD, only, recorded
from typer.testing import CliRunner

from lab_lib.cli.results import app
from lab_lib.errors import LabError
from lab_lib.files import read_json, write_json
from lab_lib.submissions.check import check_all
from lab_lib.submissions.render import write
from lab_lib.submissions.submit import submit_run, submit_speed

good, root = submission_checkout.good, submission_checkout.root


def submit(root: Path, table: str | None = "training", system: str = "finetuned", note: str | None = None) -> Path:
    return submit_run(root.parent / "run", table, "ann", root, system, None, note)


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("note, message", [("<b>", "note: '<' is not allowed"), ("another", "exists already")])
def test_a_row_that_is_there_stays_as_it_is(root, note, message):
    before = contents(root)
    command = ["submit", str(root.parent / "run"), "--who", "ann", "--note", note, "--results", str(root)]
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, LabError) and message in str(done.exception)
    assert contents(root) == before


def test_a_speed_is_not_submitted_twice(root):
    before = contents(root)
    with pytest.raises(LabError, match="exists already"):
        submit_speed(root.parent / "speed.json", "bob", root, None)
    assert contents(root) == before


def test_the_base_model_goes_to_the_models_off_the_shelf(root):
    predictions = root.parent / "run" / "predictions"
    shutil.copy(predictions / "finetuned.jsonl", predictions / "base.jsonl")
    recorded(root.parent / "run")
    assert submit(root, None, "base").parent.name == "off-the-shelf"
    only(root).unlink()
    assert submit(root, None).parent.name == "training"


def test_predictions_made_after_the_run_was_scored_are_refused(root):
    path = root.parent / "run" / "predictions" / "finetuned.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("the", "a", 1), encoding="utf-8")
    with pytest.raises(LabError, match=r"not the predictions that were scored; 'lab evaluate .*run' scores them"):
        submit(root)


def test_a_row_has_the_whole_settings_of_its_command_and_no_home(root, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    words = ["lab", "run", "town-qlora-cpu", "prompt.instruction=You are a clerk; help", "training.seed=0"]
    config = RECORD["config"] | {"model": {"name": "/home/ann/models/m", "revision": None}}
    recorded(
        root.parent / "run", command=f"{shlex.join([*words, '--out', '/home/ann/r'])}; lab decode RUN", config=config
    )
    only(root).unlink()
    row = read_json(submit(root))
    assert row["settings"] == ["prompt.instruction=You are a clerk; help", "training.seed=0"]
    assert row["command"] == f"{shlex.join(words)}; lab decode RUN"
    assert row["model"]["name"] == row["config"]["model"]["name"] == "~/models/m"


def test_a_row_names_the_weights_by_their_hashes(root):
    hashes = {name: name[0] * 64 for name in ("b.safetensors", "a.safetensors", "f.safetensors")}
    base, start, trained = ({name: digest, "config.json": "0" * 64} for name, digest in hashes.items())
    inputs = {"model": {"files": base}, "adapter": {"files": start}, "trained_adapter": {"files": trained}}
    predictions = root.parent / "run" / "predictions"
    shutil.copy(predictions / "finetuned.jsonl", predictions / "base.jsonl")
    recorded(root.parent / "run", inputs={**inputs, "corpus": {"files": {"data.json": "1" * 64}}})
    only(root).unlink()
    model = read_json(submit(root))["model"]
    parts = [model[part] for part in ("weights", "adapter", "trained")]
    assert parts == [{name: digest} for name, digest in hashes.items()]
    base_model = read_json(submit(root, None, "base"))["model"]
    assert "trained" not in base_model and base_model["weights"] == parts[0]


@pytest.mark.parametrize("hashes", [{}, {"w.safetensors": "xyz"}, {"../w.safetensors": "a" * 64}, {"w.bin": "a" * 64}])
def test_odd_hashes_of_weights_are_refused(root, hashes):
    submission_checkout.edit(model__weights=hashes)(root)
    (fault,) = check_all(root).faults
    assert "model.weights" in fault


def test_a_long_setting_is_cut_in_the_row_and_whole_in_the_command(root):
    long = "prompt.instruction=" + "help " * 60
    recorded(root.parent / "run", command=shlex.join(["lab", "run", "town-qlora-cpu", long]))
    only(root).unlink()
    row = read_json(submit(root))
    assert row["settings"] == [long[:199] + "…"] and long in row["command"]


def test_a_processor_whose_name_has_an_at_sign_can_be_submitted(root):
    recorded(root.parent / "run", machine="Intel(R) Xeon(R) CPU @ 2.20GHz, 2 cores, 13 GiB, Tesla T4 (CUDA 12.4)")
    only(root).unlink()
    machine = read_json(submit(root))["machine"]
    assert machine["text"].startswith("Intel(R) Xeon(R) CPU at 2.20GHz, ") and machine["gpu"] == "Tesla T4"


def test_part_of_a_test_set_is_refused(root):
    path = root.parent / "run" / "predictions" / "finetuned.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    recorded(root.parent / "run")
    with pytest.raises(LabError, match=r"dialogue \S+: \d+ of \d+ replies"):
        submit(root)


def test_predicted_states_are_submitted_and_the_calls_they_came_from_are_not(root):
    path = root.parent / "run" / "predictions" / "finetuned.jsonl"
    more = {"state": {"hotel": {"area": "north"}}, "call": 'find_hotel(area="north")'}
    rows = [json.loads(line) | more for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    recorded(root.parent / "run")
    row = read_json(submit(root, "decoding"))
    assert row["states"] == "own" and len(row["metrics"]) == 4
    write(root)
    verdict = check_all(root)
    assert verdict.faults == [] and len(verdict.rows) == 3
    assert "| fine-tuned, own states |" in (root / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["versions", "stage_seconds", "predictions_sha256", "config", "task", "rows"])
def test_a_record_without_a_part_is_named(root, name):
    path = root.parent / "run" / "record.json"
    write_json(path, {key: value for key, value in read_json(path).items() if key != name})
    with pytest.raises(LabError, match=f"record.json: no '{name}[a-z.]*'; expected the record of a run"):
        submit(root)


def test_a_file_of_no_speed_is_refused(root):
    for found in ({}, [], {key: RECORD[key] for key in ("recipe", "machine")} | {"train_its": 1, "infer_its": 1}):
        with pytest.raises(LabError, match=r"no '(recipe|command)'; expected the file that 'lab speed"):
            submit_speed(write_json(root.parent / "speed.json", found), "ann", root, None)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"corpus": "mine"}, "is not a public corpus"),
        ({"reported": {"split": "dev"}}, "data.report=dev"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(root, changes, message):
    recorded(root.parent / "run", **changes)
    with pytest.raises(LabError, match=message):
        submit(root)


@pytest.mark.parametrize(
    "reply, message", [("\ud800", "half of a surrogate pair"), ("a " * 10_001, "line 1: .* at most")]
)
def test_replies_that_the_check_would_refuse_are_not_submitted(root, reply, message):
    path = root.parent / "run" / "predictions" / "finetuned.jsonl"
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([json.dumps(json.loads(first) | {"response": reply}), *rest]) + "\n", encoding="utf-8")
    recorded(root.parent / "run")
    before = contents(root)
    with pytest.raises(LabError, match=message):
        submit(root)
    assert contents(root) == before


def test_names_and_systems_are_checked_before_anything_is_written(root):
    run = root.parent / "run"
    for arguments, message in (
        (("speed", "ann", root, "finetuned"), "has no predictions"),
        (("trainin", "ann", root, "finetuned"), "did you mean 'training'"),
        (("training", "../ann", root, "finetuned"), "GitHub name"),
        (("training", "ann", root, "base"), "system 'base' was not decoded and scored"),
        (("training", "ann", root, "tuned"), "did you mean 'finetuned'"),
    ):
        with pytest.raises(LabError, match=message):
            submit_run(run, *arguments, None, None)
    os.remove(run / "record.json")
    with pytest.raises(LabError, match=r"no record\.json"):
        submit_run(run, "training", "ann", root, "finetuned", None, None)
