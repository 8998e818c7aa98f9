"""Tiers of tests: only those marked `real` see real corpora, so that the default tier is what a newcomer runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = """
import os, pytest

def test_hidden(): assert "LAB_DATA" not in os.environ
@pytest.mark.real
def test_real(): assert os.path.isdir(os.environ["LAB_DATA"])
def test_asks(request): request.getfixturevalue("lab_data")
"""
ASKS = "def test_asks(lab_data): pass\n"


def run_pytest(folder: Path, source: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a file of tests with the conftest of this folder."""
    (folder / "test_sample.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = real: needs LAB_DATA\naddopts = -p conftest -rA\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT)]), **environment}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_sample.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (True, ("PASSED test_sample.py::test_real", "ERROR test_sample.py::test_asks - AssertionError: not marked")),
        (
            False,
            ("LAB_DATA is not set", "FAILED test_sample.py::test_asks - AssertionError: a test that is not marked"),
        ),
    ],
    ids=["with", "without"],
)
def test_only_tests_marked_real_see_the_real_corpora(data, said, tmp_path):
    done = run_pytest(tmp_path, SAMPLE, **({"LAB_DATA": str(tmp_path)} if data else {}))
    assert "PASSED test_sample.py::test_hidden" in done.stdout and all(line in done.stdout for line in said)


def test_a_test_that_takes_the_real_corpora_unmarked_is_not_collected(tmp_path):
    done = run_pytest(tmp_path, ASKS)
    assert done.returncode != 0 and "test_asks: uses lab_data and is not marked `real`" in done.stderr


STUB = """#!/bin/sh
echo "$1 ${ARGS:-} $2|LAB_DATA=${LAB_DATA-unset}|$(ls -A $HOME | wc -l)" >> $LOG
"""


def test_ci_runs_the_default_tier_without_real_data_and_then_the_real_tests_with_it(tmp_path):
    """With a stand-in for make that writes down what it was asked for."""
    (tmp_path / "log").touch()
    files = {"bin/make": STUB, ".ci/run": (ROOT / ".ci" / "run").read_text(), "home/secret": ""}
    files |= {"tests/test_some.py": "@pytest.mark.real\n", "tests/test_others.py": "@pytest.mark.realistic\n"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path / "home")}
    environment |= {"LOG": str(tmp_path / "log"), "LAB_DATA": "/real", "CI_VENV": str(tmp_path / "venv")}
    subprocess.run([shutil.which("bash") or "bash", tmp_path / ".ci" / "run"], env=environment, check=True)
    asked = (tmp_path / "log").read_text().splitlines()
    default, real = [line for line in asked if line.startswith("test ")][:2]
    assert default == "test  ARGS=-rs|LAB_DATA=unset|0"
    assert real.startswith("test  ARGS=-rs -m real tests/test_some.py |") and [
        line for line in asked if "LAB_DATA=/real" in line
    ] == [real]
