"""Several processes learn what one learns, step by step: copies of the model (DDP), and shards of it (FSDP2).

All on a CPU, over gloo. That FSDP2 is real there and only the GPUs are pretended: see sharded_job.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console
from tiny_models import tiny_llama

from lab_lib.files import read_json, read_jsonl
from lab_lib.runs.config import load_recipe
from lab_lib.runs.run import run

pytestmark = pytest.mark.slow
JOB = Path(__file__).with_name("sharded_job.py")
# 24 dialogues make 37 examples, so that the fifth of six steps has five of them and two micro batches of one process
# are in part or wholly empty; of the steps log_every=4 leaves the last two unlogged.
STEPS = [
    "data.corpus=town", "data.max_train=24", "prompt.max_tokens=1024", "model.dtype=fp32", "lora.rank=2",
    "training.steps=6", "training.batch_size=8", "training.micro_batch_size=2", "training.evaluate_every=0",
    "training.learning_rate=0.01", "training.save_every=3", "lora.dropout=0.0",
]  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tiny_llama(tmp_path_factory.mktemp("processes") / "model", tie_word_embeddings=True)
    return [f"model.name={folder}", *STEPS]


def by_one(settings: list[str], folder: Path) -> Path:
    """Train in this process; return the run folder."""
    return run(load_recipe("town-qlora-cpu", settings), folder, Console(quiet=True), ("train",)).path


def by_two(program: list[str], settings: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Train by two processes, started by torchrun, into a run folder."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *program]
    out = ["--out", str(folder)] if program[0] == "-m" else [str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    call = [*torchrun, "town-qlora-cpu", *out, *settings]
    return subprocess.run(call, capture_output=True, text=True, env=environment, timeout=300)


PLAIN, SHARDED, ZERO3 = ["-m", "lab_lib", "train"], [str(JOB), "fsdp2"], [str(JOB), "zero3"]


def curve(folder: Path) -> list[tuple[int, float, float]]:
    """Return step, loss and length of the gradient of each logged step."""
    return [(row["step"], row["loss"], row["grad_norm"]) for row in read_jsonl(folder / "log.jsonl")]


def adapter(folder: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "adapter" / "adapter_model.safetensors")


def require_the_same(one: Path, two: Path, steps: int) -> None:
    """The same losses, gradients and adapter, to rounding in fp32, and a curve that moves."""
    first, second = curve(one), curve(two)
    assert len(first) == len(second) == steps
    assert [value for row in second for value in row] == pytest.approx([v for row in first for v in row], rel=2e-4)
    assert steps == 1 or len({round(loss, 3) for _, loss, _ in first}) > 1
    losses = [read_json(folder / "training.json")["loss"] for folder in (one, two)]
    assert losses[1] == pytest.approx(losses[0], abs=2e-4)
    whole, shared = adapter(one), adapter(two)
    assert whole.keys() == shared.keys()
    size = max(value.abs().max() for name, value in whole.items() if "lora_B" in name)
    assert size > 0 and max((whole[name] - shared[name]).abs().max() for name in whole) < 1e-3 * size


# The recipe trains the token embeddings too, which in this model are the output layer as well.
NF4 = ["model.quantisation=4bit", "training.log_every=1", "training.group_by_length=false"]
GROUPED = ["model.quantisation=none", "training.log_every=4", "training.group_by_length=true"]


@pytest.mark.parametrize(("settings", "rows"), [(NF4, 6), (GROUPED, 1)], ids=["nf4, packed", "grouped, unlogged end"])
def test_copies_learn_what_one_learns(places, tmp_path, settings, rows):
    one = by_one([*places, *settings], tmp_path / "one")
    done = by_two(PLAIN, [*places, *settings], tmp_path / "two")
    assert done.returncode == 0, done.stderr
    assert "every process holds all of them" in done.stderr
    require_the_same(one, tmp_path / "two", rows)


def test_two_processes_walk_the_whole_corridor_and_one_of_them_reports(places, tmp_path):
    settings = [*places, *NF4[:2], "data.max_test=2", "decoding.max_new_tokens=6", "evaluation.resamples=0"]
    one = run(load_recipe("town-qlora-cpu", settings), tmp_path / "one", Console(quiet=True)).path
    call = [sys.executable, "-m", "lab_lib", "run", "town-qlora-cpu", "--processes", "2", "--out"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*call, str(tmp_path / "two"), *settings], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "--processes 2" in read_json(tmp_path / "two" / "record.json")["command"]
    assert done.stdout == f"{tmp_path / 'two'}\n" and done.stderr.count("gold replies") == 1
    for name in ("base", "finetuned"):
        assert (tmp_path / "two" / f"predictions/{name}.jsonl").read_bytes() == (
            one / f"predictions/{name}.jsonl"
        ).read_bytes()
    assert read_json(tmp_path / "two" / "status.json")["state"] == "completed"


@pytest.mark.parametrize(
    ("program", "quantisation"),
    [(SHARDED, "4bit"), (SHARDED, "none"), (ZERO3, "none")],
    ids=["fsdp2 nf4", "fsdp2", "zero3"],
)
def test_shares_learn_what_one_learns_and_go_on_from_a_checkpoint(places, tmp_path, program, quantisation):
    if program is ZERO3:
        pytest.importorskip("deepspeed")
    settings = [*places, *NF4[1:], f"model.quantisation={quantisation}"]
    one = by_one(settings, tmp_path / "one")
    done = by_two(program, settings, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    assert "each of 2 processes holds one shard of every weight" in done.stderr
    require_the_same(one, tmp_path / "two", 6)
    before = adapter(tmp_path / "two")
    for name in ("adapter", "checkpoints/checkpoint-6"):
        shutil.rmtree(tmp_path / "two" / name)
    again = by_two(program, settings, tmp_path / "two")
    assert "resuming from the checkpoint of step 3" in again.stderr
    after = adapter(tmp_path / "two")
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("program", [SHARDED, ZERO3], ids=["fsdp2", "zero3"])
def test_all_weights_are_trained_in_shares_as_by_one(places, tmp_path, program):
    if program is ZERO3:
        pytest.importorskip("deepspeed")
    from safetensors.torch import load_file

    full = ["lora.method=full", "lora.embeddings=false", "model.quantisation=none", "training.learning_rate=0.001"]
    one = by_one([*places, *full], tmp_path / "one")
    done = by_two(program, [*places, *full], tmp_path / "two")
    assert done.returncode == 0, done.stderr
    losses = [read_json(folder / "training.json")["loss"] for folder in (one, tmp_path / "two")]
    assert losses[1] == pytest.approx(losses[0], abs=2e-4)
    whole, shared = (load_file(folder / "adapter" / "model.safetensors") for folder in (one, tmp_path / "two"))
    assert whole.keys() == shared.keys()
    assert max((whole[name] - shared[name]).abs().max() for name in whole) < 1e-5


def test_a_run_that_asked_for_sharing_and_would_get_copies_does_not_start(places, tmp_path):
    """accelerate itself, without the pretence, with the shipped configuration."""
    files = Path(__file__).resolve().parent.parent / "scripts" / "accelerate"
    numbers = ["--num_processes", "2", "--main_process_port", "0"]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(files / "fsdp2.yaml"), *numbers]
    call = [*launch, "-m", "lab_lib", "train", "town-qlora-cpu", "--out", str(tmp_path / "run"), *places]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(call, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode != 0 and not (tmp_path / "run" / "adapter").exists()
    assert "error: sharding the weights (fsdp2) needs GPUs" in done.stderr
