"""Every command of docs/decoding.md, run here on less data, and what the page promises of strategies."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import commands, lab
from tiny_models import tiny_llama

from lab_lib.decoding.strategies import STRATEGIES
from lab_lib.files import read_json, read_jsonl

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "decoding.md").read_text(encoding="utf-8")
COMMANDS = commands(PAGE)
QUICK = [
    "data.max_train=4", "data.max_test=2", "training.steps=3", "training.batch_size=4", "training.micro_batch_size=4",
    "training.evaluate_every=0", "decoding.max_new_tokens=6", "evaluation.resamples=20",
]  # fmt: skip


def on_a_tiny_model(words: list[str], model: Path) -> list[str]:
    """Change what a command would take minutes with: the model it trains, the seeds of the whole sweep."""
    if words[0] == "train":
        return [*words, *QUICK, f"model.name={model}"]
    if words[0] == "run":  # each is a dry run
        return [*words, "data.max_train=4", "data.max_test=2"]
    return [*words, "--seeds", "0"] if words[-1] == "--sweep" else words


@pytest.fixture(scope="module")
def page_run(tmp_path_factory) -> Path:
    """A folder in which the commands of the page ran one after the other, all but torchrun's."""
    folder = tmp_path_factory.mktemp("page")
    model = tiny_llama(folder / "model", vocab_size=4096)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in COMMANDS:
            assert lab(*on_a_tiny_model(words, model)) == 0
    return folder / "runs" / "town"


def test_the_commands_run_one_after_the_other(page_run):
    assert [words[0] for words in COMMANDS][:3] == ["train", "decode", "decode"]
    assert {path.name for path in (page_run / "sweeps").iterdir()} == {"strategy", "top_p"}
    compared = read_json(page_run / "sweeps" / "strategy" / "summary.json")["runs"]
    assert len(compared) == 10 and keys(page_run / "predictions" / "finetuned.jsonl")


@pytest.mark.slow
def test_processes_started_by_torchrun_write_the_same_file(page_run):
    """torchrun is a program that starts this module; two pages' tests must not share its usual port."""
    (command,) = commands(PAGE, "torchrun")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    predictions = page_run / "predictions" / "finetuned.jsonl"
    replies = keys(predictions)
    predictions.unlink()
    start = [sys.executable, "-m", "torch.distributed.run", "--master_port", port, *command]
    done = subprocess.run(
        start, cwd=page_run.parents[1], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["runs/town"]  # the first process alone speaks
    assert keys(predictions) == replies


def keys(path: Path) -> list[tuple[str, int]]:
    return [(row["dialogue"], row["turn"]) for row in read_jsonl(path)]


def test_the_page_names_every_strategy():
    table = PAGE.split("| name |")[1].split("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in row.split("|")[1].replace(" ", "").split(",")}
    assert named == set(STRATEGIES)
