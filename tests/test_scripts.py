"""The bash launchers: help, strictness, the interpreter they find, and that stdout holds the folder alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAUNCHERS = sorted(path for path in (ROOT / "scripts").glob("*.sh") if path.name != "common.sh")
BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="no bash here")


def launch(script: Path, *arguments: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Run a launcher with this interpreter; `changes` set environment variables, None removes one."""
    environment = {**os.environ, "LAB_PYTHON": sys.executable, "LAB_ACCELERATE": "", **changes}
    kept = {name: value for name, value in environment.items() if value is not None}
    return subprocess.run([BASH or "", str(script), *arguments], capture_output=True, text=True, env=kept, timeout=120)


def ids(path: Path) -> str:
    return path.name


def test_the_verbs_of_the_corridor_have_launchers() -> None:
    names = {path.stem for path in LAUNCHERS}
    assert {"demo", "run", "train_qlora", "decode", "evaluate", "merge", "chat", "speed", "doctor"} <= names


@pytest.mark.parametrize("script", LAUNCHERS, ids=ids)
def test_help_needs_no_environment(script: Path) -> None:
    done = launch(script, "--help", LAB_PYTHON="/nowhere/python")
    assert done.returncode == 0 and done.stderr == ""
    assert f"{script.name}" in done.stdout.split("\n")[0]
    assert "set -euo" not in done.stdout and not done.stdout.startswith("#")


@pytest.mark.parametrize("script", LAUNCHERS, ids=ids)
def test_launchers_are_strict_executable_and_end_in_their_verb(script: Path) -> None:
    text = script.read_text()
    assert "\nset -euo pipefail\n" in text
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("script", [*LAUNCHERS, ROOT / "scripts" / "common.sh", ROOT / ".ci" / "run"], ids=ids)
def test_shellcheck_finds_nothing(script: Path) -> None:
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([program, "-x", str(script)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_stdout_is_what_the_verb_prints_and_errors_go_to_stderr() -> None:
    done = launch(ROOT / "scripts" / "evaluate.sh", "no-such-run")
    assert done.returncode == 2
    assert done.stdout == "" and "no-such-run" in done.stderr


def test_an_interpreter_without_the_packages_is_one_clear_line(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\nexit 1\n")
    bare.chmod(0o755)
    done = launch(ROOT / "scripts" / "demo.sh", LAB_PYTHON=str(bare))
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == f"demo.sh: {bare} lacks the lab's packages: run 'make install' or set LAB_PYTHON\n"


def test_waiting_threads_sleep_and_arguments_arrive_whole(tmp_path: Path) -> None:
    spy = tmp_path / "python"
    spy.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\nprintf "%s|" "$OMP_WAIT_POLICY" "$@"\n')
    spy.chmod(0o755)
    done = launch(
        ROOT / "scripts" / "run.sh", "town", "data.corpus=my folder", LAB_PYTHON=str(spy), OMP_WAIT_POLICY=None
    )
    assert done.stdout == "PASSIVE|-m|lab_lib|run|town|data.corpus=my folder|"


SPY = '#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "$LAB_REQUEUE $@"\n'


def spy_on(folder: Path) -> str:
    """Return an interpreter that prints what it is called with."""
    (folder / "python").write_text(SPY)
    (folder / "python").chmod(0o755)
    return str(folder / "python")


def test_a_batch_job_may_requeue_itself_and_a_plain_script_may_not(tmp_path: Path) -> None:
    copy = Path(shutil.copy(ROOT / "scripts" / "train_qlora.sh", tmp_path / "slurm_script"))
    slurm = {"SLURM_SUBMIT_DIR": str(ROOT), "SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": "9"}
    done = [launch(p, "town", LAB_PYTHON=spy_on(tmp_path), LAB_REQUEUE=None, **slurm)
            for p in (copy, ROOT / "scripts" / "train_qlora.sh")]  # fmt: skip
    assert [d.stdout for d in done] == ["1 -m lab_lib train town\n", " -m lab_lib train town\n"]


@pytest.mark.parametrize(
    ("script", "arguments", "given"),
    [
        ("sweep.sh", ["town", "--seeds", "0,1"], "sweep town --seeds 0,1 --member 1"),
        ("decode.sh", ["lab_lib", "--sweep"], "decode lab_lib --sweep --member 1"),
        ("decode.sh", ["lab_lib", "scripts", "tests", "--base"], "decode scripts --base"),
        ("evaluate.sh", ["lab_lib", "scripts"], "evaluate scripts"),
    ],
)
def test_a_task_of_an_array_takes_its_part(tmp_path: Path, monkeypatch, script, arguments, given) -> None:
    monkeypatch.chdir(ROOT)
    done = launch(ROOT / "scripts" / script, *arguments, LAB_PYTHON=spy_on(tmp_path), SLURM_ARRAY_TASK_ID="1")
    assert done.stdout.strip().endswith(f"-m lab_lib {given}"), done.stderr


TORCHRUN = "-m torch.distributed.run --standalone --nproc-per-node 2 -m lab_lib"


@pytest.mark.parametrize(
    ("script", "arguments", "environment", "called"),
    [
        ("train_qlora.sh", ["town"], {}, "-m lab_lib train town"),
        ("train_qlora.sh", ["town"], {"LAB_PROCESSES": "2"}, f"{TORCHRUN} train town"),
        ("train_qlora.sh", ["town"], {"SLURM_GPUS_ON_NODE": "2"}, f"{TORCHRUN} train town"),
        ("train_qlora.sh", ["town"], {"SLURM_GPUS_ON_NODE": "2", "LAB_PROCESSES": "1"}, "-m lab_lib train town"),
        ("decode.sh", ["run"], {"LAB_PROCESSES": "2"}, f"{TORCHRUN} decode run"),
        ("decode.sh", ["run", "--sweep"], {"LAB_PROCESSES": "2"}, "-m lab_lib decode run --sweep"),
        ("evaluate.sh", ["run"], {"LAB_PROCESSES": "2"}, "-m lab_lib evaluate run"),
    ],
)
def test_several_processes_are_started_by_torchrun(tmp_path: Path, script, arguments, environment, called) -> None:
    names = {"SLURM_GPUS_ON_NODE": None, "SLURM_NNODES": None, "LAB_PROCESSES": None, **environment}
    done = launch(ROOT / "scripts" / script, *arguments, LAB_PYTHON=spy_on(tmp_path), LAB_REQUEUE="", **names)
    assert done.stdout.strip() == called, done.stderr


def test_on_several_machines_srun_starts_one_torchrun_on_each_and_they_meet_on_the_first(tmp_path: Path) -> None:
    for name, body in {"srun": 'echo "$LAB_WORLD_SIZE $@"', "scontrol": "echo node3; echo node4"}.items():
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
    real = f'[ "$2" = lab_lib.training.launching ] && exec {sys.executable} "$@"'
    (folder / "python").write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit 0\n{real}\necho "$@"\n')
    (folder / "python").chmod(0o755)
    names = {"SLURM_GPUS_ON_NODE": None, "SLURM_NNODES": None, "LAB_PROCESSES": "2", "LAB_ACCELERATE": "fsdp2"}
    names |= {"LAB_PYTHON": str(folder / "python"), **changes}
    return launch(ROOT / "scripts" / script, *arguments, **names)


def test_accelerate_shares_the_weights_out_where_it_is_asked_to(tmp_path: Path) -> None:
    done = accelerated(tmp_path, "town", "training.steps=2")
    assert done.stdout.strip() == (
        f"-m accelerate.commands.launch --config_file {ROOT}/scripts/accelerate/fsdp2.yaml --num_processes 2 "
        "--num_machines 1 --machine_rank 0 --main_process_port 0 -m lab_lib train town training.steps=2"
    ), done.stderr
    assert accelerated(tmp_path, "run", script="decode.sh").stdout.strip() == f"{TORCHRUN} decode run"


def test_on_several_machines_each_starts_accelerate_with_its_own_number(tmp_path: Path) -> None:
    stubs = {"srun": 'echo "$1 $2"; shift 2; SLURM_NODEID=1 exec "$@"', "scontrol": "echo node3; echo node4"}
    for name, body in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "4", "SLURM_JOB_ID": "12", "SLURM_JOB_NODELIST": "node[3-4]"}
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = accelerated(tmp_path, "town", "data.corpus=my folder", PATH=path, LAB_PROCESSES=None, **job)
    assert done.stdout.splitlines() == [
        "--ntasks=2 --ntasks-per-node=1",
        f"-m accelerate.commands.launch --machine_rank 1 --config_file {ROOT}/scripts/accelerate/fsdp2.yaml "
        "--num_processes 8 --num_machines 2 --main_process_ip node3 --main_process_port 20012 "
        "-m lab_lib train town data.corpus=my folder",
    ], done.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"LAB_ACCELERATE": "fsdp"}, "error: LAB_ACCELERATE: unknown configuration 'fsdp'; did you mean 'fsdp2'?"),
        ({"LAB_PROCESSES": "1"}, "error: LAB_ACCELERATE=fsdp2: this job has one process, and nobody to share with;"),
    ],
)
def test_a_configuration_that_cannot_be_is_one_line_and_nothing_is_started(tmp_path: Path, changes, message) -> None:
    done = accelerated(tmp_path, "town", **changes)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message) and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["train_qlora", "run", "decode", "evaluate", "sweep", "pretrain_tiny"])
def test_sbatch_finds_what_a_job_asks_for_before_the_first_command(name: str) -> None:
    text = (ROOT / "scripts" / f"{name}.sh").read_text().split("set -euo")[0]
    for option in ("job-name", "output", "open-mode=append", "time", "mem", "signal=B:USR1@", "requeue"):
        assert f"\n#SBATCH --{option}" in text
    assert "SBATCH" not in launch(ROOT / "scripts" / f"{name}.sh", "--help").stdout.replace("SBATCH_", "")


def test_a_site_file_gives_the_interpreter_and_what_jobs_ask_for(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("site.env"))
    (tmp_path / "scripts" / "site.env").write_text(f"export LAB_PYTHON={spy_on(tmp_path)}\n")
    done = launch(tmp_path / "scripts" / "run.sh", "town", LAB_PYTHON=None)
    assert done.stdout.strip() == "-m lab_lib run town"
    example = (ROOT / "scripts" / "site.env.example").read_text().splitlines()
    assert all(not line or line.startswith("#") for line in example)  # a copy of it changes nothing


def test_the_environment_that_was_active_is_found_without_activate(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("site.env"))
    (tmp_path / "conda" / "bin").mkdir(parents=True)
    spy_on(tmp_path / "conda" / "bin")
    places = {"LAB_PYTHON": None, "VIRTUAL_ENV": None, "CONDA_PREFIX": str(tmp_path / "conda")}
    assert launch(tmp_path / "scripts" / "run.sh", "town", **places).stdout.strip() == "-m lab_lib run town"


def test_a_copy_under_sbatch_finds_its_way_back(tmp_path: Path) -> None:
    copy = shutil.copy(ROOT / "scripts" / "evaluate.sh", tmp_path / "slurm_script")
    done = launch(Path(copy), "no-such-run", SLURM_SUBMIT_DIR=str(ROOT))
    assert done.returncode == 2 and "no-such-run" in done.stderr


@pytest.mark.parametrize("data", [None, "/nowhere"])
def test_pretraining_says_what_it_needs(data: str | None) -> None:
    done = launch(ROOT / "scripts" / "pretrain_tiny.sh", LAB_DATA=data)
    assert done.returncode == 2 and done.stdout == ""
    assert "expected LAB_DATA to name a folder with sgd/train and sgd/dev" in done.stderr


def test_pretraining_is_given_the_two_corpora_and_its_folder(tmp_path: Path) -> None:
    for split in ("train", "dev"):
        (tmp_path / "sgd" / split).mkdir(parents=True)
    spy = tmp_path / "python"
    spy.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "$@"\n')
    spy.chmod(0o755)
    script = ROOT / "scripts" / "pretrain_tiny.sh"
    done = launch(script, "my-out", "--steps", "3", LAB_DATA=str(tmp_path), LAB_PYTHON=str(spy))
    assert done.stdout == (  # the module itself prints the folder
        f"-m lab_lib.training.pretrain --train {tmp_path}/sgd/train --dev {tmp_path}/sgd/dev --out my-out --steps 3\n"
    )
