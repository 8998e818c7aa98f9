"""The bash launchers: help, strictness, the interpreter they find, and that stdout holds the folder alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from launchers import NEEDS_BASH, ROOT, launch, spy_on

LAUNCHERS = sorted(path for path in (ROOT / "scripts").glob("*.sh") if path.name != "common.sh")
pytestmark = NEEDS_BASH


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


@pytest.mark.parametrize("name", ["train_qlora", "run", "decode", "evaluate", "sweep", "pretrain_tiny", "pretrain_t5"])
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


def test_a_site_file_may_end_in_false_and_the_command_line_wins_over_it(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("site.env"))
    example = (tmp_path / "scripts" / "site.env.example").read_text().replace("# export LAB_", "export LAB_")
    (tmp_path / "scripts" / "site.env").write_text(example + "[ -d /no/such/disk ] && export HF_HOME=/no/such/disk\n")
    spy = tmp_path / "python"
    spy.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "$LAB_DATA $LAB_MAX_RESTARTS $LAB_ACCELERATE"\n')
    spy.chmod(0o755)
    said = {"LAB_DATA": "/mine", "LAB_MAX_RESTARTS": None, "LAB_ACCELERATE": ""}
    done = launch(tmp_path / "scripts" / "doctor.sh", LAB_PYTHON=str(spy), **said)
    assert (done.returncode, done.stdout) == (0, "/mine 20 \n")


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


def stub(folder: Path, name: str, body: str) -> str:
    """Put a program of Slurm in front of PATH; return that PATH."""
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_a_copy_that_was_handed_in_from_another_folder_asks_slurm(tmp_path: Path) -> None:
    copy = shutil.copy(ROOT / "scripts" / "evaluate.sh", tmp_path / "slurm_script")
    shown = f"   JobId=7 JobName=evaluate\n   Command={ROOT}/scripts/evaluate.sh runs/a/b.sh\n   WorkDir=/somewhere"
    path = stub(tmp_path, "scontrol", f"cat <<'END'\n{shown}\n\n{shown}\nEND")  # of an array each task is shown
    job = {"SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": "9", "PATH": path}
    done = launch(Path(copy), "no-such-run", **job)
    assert done.returncode == 2 and "no-such-run" in done.stderr


def test_a_task_of_an_array_asks_for_its_own_end(tmp_path: Path) -> None:
    """The number of the last task is that of the array: all would answer."""
    copy = shutil.copy(ROOT / "scripts" / "evaluate.sh", tmp_path / "slurm_script")
    path = stub(tmp_path, "squeue", f'echo "$@" >> {tmp_path}/asked; exit 1')
    job = {"SLURM_SUBMIT_DIR": str(ROOT), "SLURM_JOB_ID": "12", "SLURM_JOB_END_TIME": None, "PATH": path}
    for task in ({}, {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3"}):
        launch(Path(copy), "run", LAB_PYTHON=spy_on(tmp_path), **job, **task)
    assert (tmp_path / "asked").read_text() == "-h -j 12 -o %e\n-h -j 12_3 -o %e\n"


@pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="no /proc here")
def test_taking_the_test_cluster_down_ends_no_other_process(tmp_path: Path) -> None:
    """After a crash the number in an old file may have been given to another process."""
    other = subprocess.Popen(["sleep", "60"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "slurmd.pid").write_text(f"{other.pid}\n")
    try:
        assert launch(ROOT / "scripts" / "dev" / "slurm-up.sh", str(tmp_path), "--down").returncode == 0
        assert other.poll() is None and not (tmp_path / "run" / "slurmd.pid").exists()
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("script", ["pretrain_tiny.sh", "pretrain_t5.sh"])
@pytest.mark.parametrize("data", [None, "/nowhere"])
def test_pretraining_says_what_it_needs(data: str | None, script: str) -> None:
    done = launch(ROOT / "scripts" / script, LAB_DATA=data)
    assert done.returncode == 2 and done.stdout == ""
    assert "expected LAB_DATA to name a folder with sgd/train and sgd/dev" in done.stderr


@pytest.mark.parametrize(("name", "module"), [("pretrain_tiny", "tiny"), ("pretrain_t5", "tiny_t5")])
def test_pretraining_is_given_the_two_corpora_and_its_folder(tmp_path: Path, name: str, module: str) -> None:
    for split in ("train", "dev"):
        (tmp_path / "sgd" / split).mkdir(parents=True)
    spy = tmp_path / "python"
    spy.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "$@"\n')
    spy.chmod(0o755)
    script = ROOT / "scripts" / f"{name}.sh"
    done = launch(script, "my-out", "--steps", "3", LAB_DATA=str(tmp_path), LAB_PYTHON=str(spy))
    assert done.stdout == (  # the module itself prints the folder
        f"-m lab_lib.pretraining.{module} --train {tmp_path}/sgd/train --dev {tmp_path}/sgd/dev --out my-out "
        "--steps 3\n"
    )
