"""The bash launchers: help, strictness, the interpreter they find, and that stdout holds the folder alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAUNCHERS = sorted(path for path in (ROOT / "scripts").glob("*.sh") if path.name != "common.sh")
BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="no bash here")


def launch(script: Path, *arguments: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Run a launcher with this interpreter; `changes` set environment variables, None removes one."""
    environment = {**os.environ, "LAB_PYTHON": sys.executable, **changes}
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


def test_a_copy_under_sbatch_finds_its_way_back(tmp_path: Path) -> None:
    copy = shutil.copy(ROOT / "scripts" / "evaluate.sh", tmp_path / "slurm_script")
    done = launch(Path(copy), "no-such-run", SLURM_SUBMIT_DIR=str(ROOT))
    assert done.returncode == 2 and "no-such-run" in done.stderr


@pytest.mark.parametrize("data", [None, "/nowhere"])
def test_pretraining_says_what_it_needs(data: str | None) -> None:
    done = launch(ROOT / "scripts" / "pretrain_tiny.sh", LAB_DATA=data)
    assert done.returncode == 2 and done.stdout == ""
    assert "expected LAB_DATA to name a folder with sgd/train and sgd/dev" in done.stderr


def test_pretraining_prints_its_folder_alone(tmp_path: Path) -> None:
    for split in ("train", "dev"):
        (tmp_path / "sgd" / split).mkdir(parents=True)
    spy = tmp_path / "python"
    spy.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\nshift 2\necho "$@"\n')
    spy.chmod(0o755)
    script = ROOT / "scripts" / "pretrain_tiny.sh"
    done = launch(script, "my-out", "--steps", "3", LAB_DATA=str(tmp_path), LAB_PYTHON=str(spy))
    assert done.stdout == "my-out\n"
    assert done.stderr == f"--train {tmp_path}/sgd/train --dev {tmp_path}/sgd/dev --out my-out --steps 3\n"
