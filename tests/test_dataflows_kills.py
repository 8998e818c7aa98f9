"""A dataflow that is killed while it trains: nothing of the training is in the cache, and the same command resumes."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from questions_file import settings, write_questions
from tiny_models import tiny_t5

pytest.importorskip("hamilton")

from lab_lib.files import read_json

ROOT = Path(__file__).resolve().parent.parent
MORE = ["training.steps=40", "training.evaluate_every=5"]


def command(data: Path, base: Path, out: Path) -> list[str]:
    sets = [part for one in [*settings(data, base), *MORE] for part in ("--set", one)]
    wanted = "save_best_models,tuned_on_hold_out_set"
    return [sys.executable, "-m", "lab_lib", "dataflow", "run", "--outputs", wanted, *sets, "--out", str(out)]


def states(out: Path) -> dict[str, str]:
    return {name: one["state"] for name, one in read_json(out / "run.json")["nodes"].items()}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_training_leaves_no_result_and_resumes_to_the_same_model(number, tmp_path):
    data, base = write_questions(tmp_path / "mine.json"), tiny_t5(tmp_path / "t5")
    whole = command(data, base, tmp_path / "whole")
    subprocess.run(whole, check=True, cwd=ROOT, capture_output=True)
    killed = tmp_path / "killed"
    with subprocess.Popen(command(data, base, killed), cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(killed.glob("work/*/checkpoints/*/complete")):
            time.sleep(0.02)
        process.send_signal(number)
    assert process.returncode != 0
    made = {path.name.split("-", 1)[1] for path in killed.glob("artefacts/*-*")}
    assert "tokenized_train" in made and not made & {"fitted", "model", "tuned_hold_out"}
    assert not [path for path in (killed / "cache" / "results").iterdir() if "best_step" in path.read_text()]
    again = subprocess.run(command(data, base, killed), cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0 and "resuming from the checkpoint of step" in again.stderr, again.stderr
    assert states(killed)["tokenized_train"] == "cached" and states(killed)["fitted"] == "executed"
    for name in ("model", "fitted", "tuned_hold_out"):
        (one,), (other,) = (tuple(out.glob(f"artefacts/*-{name}")) for out in (tmp_path / "whole", killed))
        assert one.name == other.name
    shutil.rmtree(tmp_path / "whole")
