"""Which processes the bash launchers start, and where they refuse to start several."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from launchers import NEEDS_BASH, ROOT, launch, spy_on

pytestmark = NEEDS_BASH
# The second name comes when a reader of one line would be gone.
SLOW_HOSTS = "echo node3; sleep 0.2; echo node4"
TORCHRUN = "-m torch.distributed.run --standalone --nproc-per-node 2 -m lab_lib"


@pytest.mark.parametrize(
    ("script", "arguments", "environment", "called"),
    [
        ("train_qlora.sh", ["town"], {}, "-m lab_lib train town"),
        ("train_qlora.sh", ["town"], {"LAB_PROCESSES": "2"}, f"{TORCHRUN} train town"),
        ("train_qlora.sh", ["town"], {"SLURM_GPUS_ON_NODE": "2"}, f"{TORCHRUN} train town"),
        ("train_qlora.sh", ["town"], {"SLURM_GPUS_ON_NODE": "2", "LAB_PROCESSES": "1"}, "-m lab_lib train town"),
        ("decode.sh", ["run"], {"LAB_PROCESSES": "2"}, f"{TORCHRUN} decode run"),
        ("run.sh", ["town-qlora-cpu"], {"LAB_PROCESSES": "2"}, f"{TORCHRUN} run town-qlora-cpu"),
        ("run.sh", ["town-qlora-cpu"], {"SLURM_GPUS_ON_NODE": "2"}, f"{TORCHRUN} run town-qlora-cpu"),
        ("run.sh", ["lora-rank-cpu"], {"SLURM_GPUS_ON_NODE": "1"}, "-m lab_lib run lora-rank-cpu"),
        ("run.sh", ["lora-rank-cpu", "--dry-run"], {"LAB_PROCESSES": "2"}, "-m lab_lib run lora-rank-cpu --dry-run"),
        ("decode.sh", ["run", "--sweep"], {"SLURM_GPUS_ON_NODE": "2"}, "-m lab_lib decode run --sweep"),
        ("evaluate.sh", ["run"], {"LAB_PROCESSES": "2"}, "-m lab_lib evaluate run"),
    ],
)
def test_several_processes_are_started_by_torchrun(tmp_path: Path, script, arguments, environment, called) -> None:
    names = {"SLURM_GPUS_ON_NODE": None, "SLURM_NNODES": None, "LAB_PROCESSES": None, **environment}
    python = spy_on(tmp_path, "lab_lib.cli.one_run")
    done = launch(ROOT / "scripts" / script, *arguments, LAB_PYTHON=python, LAB_REQUEUE="", **names)
    assert done.stdout.strip() == called, done.stderr


def refused(folder: Path, script: str, *arguments: str, **changes: str | None) -> str:
    """Return the one line with which a launcher ends before it starts anything but what checks."""
    environment = {"SLURM_GPUS_ON_NODE": None, "SLURM_NNODES": None, "LAB_PROCESSES": None, "LAB_DATA": None, **changes}
    python = spy_on(folder, "lab_lib.cli.one_run")
    done = launch(ROOT / "scripts" / script, *arguments, LAB_PYTHON=python, **environment)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("asked", [("LAB_PROCESSES", "2"), ("LAB_ACCELERATE", "fsdp2")])
@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("chat.sh", ["run"]),
        ("demo.sh", []),
        ("generate_free.sh", ["run"]),
        ("speed.sh", []),
        ("sweep.sh", ["lora-rank-cpu"]),
        ("decode.sh", ["run", "--sweep"]),
    ],
)
def test_what_one_process_does_refuses_several(tmp_path: Path, script, arguments, asked) -> None:
    assert "=".join(asked) in refused(tmp_path, script, *arguments, **dict([asked]))


def test_what_several_processes_cannot_run_together_is_found_before_they_start(tmp_path: Path) -> None:
    assert "did you mean 'town-qlora-cpu'" in refused(tmp_path, "run.sh", "town-qlroa-cpu", LAB_PROCESSES="2")
    assert "LAB_ACCELERATE=ddp is for training alone" in refused(tmp_path, "run.sh", "town", LAB_ACCELERATE="ddp")
    line = refused(tmp_path, "run.sh", "lora-rank-cpu", SLURM_GPUS_ON_NODE="2")
    assert line.startswith("error: lora-rank-cpu: a sweep, whose runs use one process each;")


NO_NUMBERS = ["abc", "-1", "0", "08", "2 ", "1.5", "²", "1" * 12, "PATH[$(touch {touched})]", "a[`touch {touched}`]"]


OTHERS = ["evaluate.sh", "jobs.sh", "record.sh", "pretrain_tiny.sh"]  # read numbers by the same function


@pytest.mark.parametrize(
    ("script", "value"),
    [*(("train_qlora.sh", value) for value in NO_NUMBERS), *((script, NO_NUMBERS[-2]) for script in OTHERS)],
)
def test_what_is_no_number_of_processes_is_one_line_and_runs_nothing(tmp_path: Path, script, value) -> None:
    given = value.format(touched=tmp_path / "touched")
    line = refused(tmp_path, script, "town", LAB_PROCESSES=given)
    assert line.startswith(f"{script}: LAB_PROCESSES=") and "expected a whole number, 1 or more" in line
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("train_qlora.sh", "SLURM_NNODES"),
        ("train_qlora.sh", "SLURM_GPUS_ON_NODE"),
        ("decode.sh", "SLURM_JOB_ID"),
        ("decode.sh", "SLURM_ARRAY_TASK_ID"),
        ("run.sh", "LAB_MAX_RESTARTS"),
    ],
)
def test_every_number_that_a_launcher_counts_with_is_checked(tmp_path: Path, script, name) -> None:
    line = refused(tmp_path, script, "lab_lib", **{name: f"PATH[$(touch {tmp_path / 'touched'})]"})
    assert f"{name}=" in line and not (tmp_path / "touched").exists()


def test_scoring_is_one_process_and_says_so(tmp_path: Path) -> None:
    done = launch(ROOT / "scripts" / "evaluate.sh", "run", LAB_PYTHON=spy_on(tmp_path), LAB_PROCESSES="2")
    assert done.returncode == 0 and "LAB_PROCESSES=2 changes nothing" in done.stderr


def test_on_several_machines_srun_starts_one_torchrun_on_each_and_they_meet_on_the_first(tmp_path: Path) -> None:
    for name, body in {"srun": 'echo "$LAB_WORLD_SIZE $@"', "scontrol": SLOW_HOSTS}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "4", "SLURM_JOB_ID": "12", "SLURM_JOB_NODELIST": "node[3-4]"}
    path = f"{tmp_path}:{os.environ['PATH']}"
    python = spy_on(tmp_path)
    done = launch(ROOT / "scripts" / "train_qlora.sh", "town", LAB_PYTHON=python, PATH=path, LAB_PROCESSES=None, **job)
    assert done.stdout.strip() == (
        f"8 --ntasks=2 --ntasks-per-node=1 {python} -m torch.distributed.run --nnodes 2 --nproc-per-node 4 "
        "--rdzv-backend c10d --rdzv-id 12 --rdzv-endpoint node3:20012 -m lab_lib train town"
    ), done.stderr


def accelerated(folder: Path, *arguments: str, script: str = "train_qlora.sh", **changes: str | None) -> Any:
    """Run a launcher with LAB_ACCELERATE and an interpreter that prints what it is called with."""
    names = {"SLURM_GPUS_ON_NODE": None, "SLURM_NNODES": None, "LAB_PROCESSES": "2", "LAB_ACCELERATE": "fsdp2"}
    names |= {"LAB_PYTHON": spy_on(folder, "lab_lib.cluster.launching"), "LAB_REQUEUE": "", **changes}
    return launch(ROOT / "scripts" / script, *arguments, **names)


def test_accelerate_shares_the_weights_out_where_it_is_asked_to(tmp_path: Path) -> None:
    done = accelerated(tmp_path, "town", "training.steps=2")
    assert done.stdout.strip() == (
        f"-m accelerate.commands.launch --config_file {ROOT}/scripts/accelerate/fsdp2.yaml --num_processes 2 "
        "--num_machines 1 --machine_rank 0 --main_process_port 0 -m lab_lib train town training.steps=2"
    ), done.stderr
    assert accelerated(tmp_path, "run", script="decode.sh").stdout.strip() == f"{TORCHRUN} decode run"


def test_on_several_machines_each_starts_accelerate_with_its_own_number(tmp_path: Path) -> None:
    stubs = {"srun": 'echo "$1 $2"; shift 2; SLURM_NODEID=1 exec "$@"', "scontrol": SLOW_HOSTS}
    for name, body in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "4", "SLURM_JOB_ID": "12", "SLURM_JOB_NODELIST": "node[3-4]"}
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = accelerated(tmp_path, "town", "data.corpus=my folder", PATH=path, LAB_PROCESSES=None, **job)
    assert [line.strip() for line in done.stdout.splitlines()] == [
        "--ntasks=2 --ntasks-per-node=1",
        f"-m accelerate.commands.launch --machine_rank 1 --config_file {ROOT}/scripts/accelerate/fsdp2.yaml "
        "--num_processes 8 --num_machines 2 --main_process_ip node3 --main_process_port 20012 "
        "-m lab_lib train town data.corpus=my folder",
    ], done.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"LAB_ACCELERATE": "fsdp"}, "error: LAB_ACCELERATE: unknown configuration 'fsdp'; did you mean 'fsdp2'?"),
        ({"LAB_PROCESSES": "1"}, "error: LAB_ACCELERATE=fsdp2: this job has only one process"),
    ],
)
def test_a_configuration_that_cannot_be_is_one_line_and_nothing_is_started(tmp_path: Path, changes, message) -> None:
    done = accelerated(tmp_path, "town", **changes)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message) and done.stderr.count("\n") == 1
