"""Pretraining: killed at any moment it ends in the same weights, to the bit; and what it refuses, in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pretrain_job import ARGUMENTS, STEPS, log_steps, same, write_sgd

from lab_lib.errors import LabError
from lab_lib.files import read_json, write_json, write_jsonl
from lab_lib.pretraining.folder import cut_log, load_checkpoint, open_folder, save_checkpoint
from lab_lib.pretraining.steps import learning_rate
from lab_lib.pretraining.tiny import PretrainConfig, check_size, main
from lab_lib.runs.lock import owning

ROOT = Path(__file__).resolve().parent.parent


def call(data: Path, out: Path, *more: str) -> list[str]:
    places = ["--train", str(data / "sgd" / "train"), "--dev", str(data / "sgd" / "dev"), "--out", str(out)]
    return [*places, *ARGUMENTS, *more]


def pretrain(data: Path, out: Path, *more: str) -> tuple[int, str]:
    """Start the command and wait for its end; return exit code and stderr."""
    command = [sys.executable, "-m", "lab_lib.pretraining.tiny", *call(data, out, *more)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return done.returncode, done.stderr


def interrupted(data: Path, out: Path, number: signal.Signals) -> int:
    """Start the command, send it a signal (kill -9 after a checkpoint, others after ten steps); return its code."""
    command = [sys.executable, "-m", "lab_lib.pretraining.tiny", *call(data, out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    sign = out / ("latest.json" if number == signal.SIGKILL else "log.jsonl")
    while not sign.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    return process.wait()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_sgd(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "out"
    code, said = pretrain(data, folder)
    assert code == 0, said
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL])
def test_the_same_command_goes_on_and_ends_in_the_same_weights(data, whole, tmp_path, number):
    code = interrupted(data, tmp_path / "out", number)
    assert code == (-number if number == signal.SIGKILL else 128 + number)
    left = read_json(tmp_path / "out" / "latest.json")["step"]
    assert 10 <= left < STEPS and not (tmp_path / "out" / "model" / "model.safetensors").exists()
    code, said = pretrain(data, tmp_path / "out")
    assert code == 0 and f"resuming from the checkpoint of step {left}" in said
    assert same(tmp_path / "out", whole)
    assert log_steps(tmp_path / "out") == log_steps(whole) == list(range(10, STEPS + 1, 10))


def small(seed: int):
    """Return a model of one weight with its optimiser, after a step."""
    import torch

    torch.manual_seed(seed)
    model = torch.nn.Linear(2, 1, bias=False)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    return model, optimiser


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("step-20.safetensors", None, None),
        ("step-20.safetensors", lambda path: path.unlink(), "no such file"),
        ("step-20.safetensors", lambda path: os.truncate(path, 100), "not what was written"),
        ("step-20.safetensors", lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), "not what was written"),
        ("latest.json", lambda path: path.write_text("[]"), "does not name a checkpoint"),
        ("latest.json", lambda path: path.write_text('{"step": "../20"}'), "does not name a checkpoint"),
        ("latest.json", lambda path: path.write_text('{"step": 20, "file": "step-20.safetensors"}'), "not what was"),
        ("latest.json", lambda path: path.write_text('{"step": 2'), "latest.json: line 1"),
    ],
)
def test_a_damaged_checkpoint_is_passed_over_with_a_line(tmp_path, name, harm, said):
    import torch

    model, optimiser = small(0)
    save_checkpoint(tmp_path, model, optimiser, 20)
    assert {path.name for path in tmp_path.iterdir()} == {"step-20.safetensors", "latest.json"}
    if harm:
        harm(tmp_path / name)
    other, others = small(1)
    before = other.weight.clone()
    step, wrong = load_checkpoint(tmp_path, other, others)
    if said is None:
        assert (step, wrong) == (20, None) and torch.equal(other.weight, model.weight)
        assert torch.equal(others.state[other.weight]["exp_avg"], optimiser.state[model.weight]["exp_avg"])
    else:
        assert step == 0 and said in wrong and str(tmp_path) in wrong and torch.equal(other.weight, before)


def test_a_pretraining_is_written_by_one_command_at_a_time(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["pretrain", *call(tmp_path, tmp_path / "out")])
    with owning(tmp_path / "out"), pytest.raises(SystemExit):
        main()
    assert "is writing this run" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]


def test_rows_of_steps_that_are_taken_again_leave_the_log(tmp_path):
    log = write_jsonl(tmp_path / "log.jsonl", [{"step": step} for step in (10, 20, 30)])
    cut_log(log, 25)
    assert log_steps(tmp_path) == [10, 20]
    cut_log(tmp_path / "none.jsonl", 25)
    assert not (tmp_path / "none.jsonl").exists()


def test_a_folder_of_other_settings_is_not_gone_on_with(tmp_path):
    open_folder(tmp_path, {"out": "here", "seed": 1, "steps": 9})
    open_folder(tmp_path, {"out": "moved", "seed": 1, "steps": 9, "knob_of_a_later_version": 3})
    with pytest.raises(LabError, match="was started with seed=1, not 2; choose another folder"):
        open_folder(tmp_path, {"out": "here", "seed": 2, "steps": 9})


def test_fewer_tokens_than_a_step_takes_are_refused():
    """They would be shuffled for ever, and no step be taken."""
    config = PretrainConfig("train", "dev", "out", rows=2, context=64)
    check_size(128, config)
    with pytest.raises(LabError, match="train: 127 tokens, a step takes 2 rows x 64 = 128"):
        check_size(127, config)


def test_the_learning_rate_rises_stays_and_falls_to_nothing():
    config = PretrainConfig("train", "dev", "out", steps=100, warmup=10, decay=0.2, learning_rate=1.0)
    assert [learning_rate(step, config) for step in (0, 9, 50, 80, 90, 99)] == [0.1, 1.0, 1.0, 1.0, 0.5, 0.05]
    assert learning_rate(0, PretrainConfig("train", "dev", "out", warmup=0, decay=0.0)) == 1.5e-3


@pytest.mark.parametrize("what", ["nothing", "a record without turns"])
def test_data_that_cannot_be_read_is_one_line(tmp_path, monkeypatch, capsys, what):
    (tmp_path / "sgd" / "train").mkdir(parents=True)
    if what != "nothing":
        write_json(tmp_path / "sgd" / "train" / "dialogues_001.json", [{"dialogue_id": "1"}])
    monkeypatch.setattr(sys, "argv", ["pretrain", *call(tmp_path, tmp_path / "out")])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    assert end.value.code == 2 and out == "" and err.startswith(f"error: {tmp_path}/sgd/train") and err.count("\n") == 1
