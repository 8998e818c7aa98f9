"""One command at a time writes a run folder."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys

import pytest
from rich.console import Console

from lab_lib.corpora.config import DataConfig
from lab_lib.errors import LabError
from lab_lib.runs.config import RunConfig
from lab_lib.runs.lock import LOCK, owning
from lab_lib.runs.run import run

HOLD = """
import sys, time
from pathlib import Path
from lab_lib.runs.lock import owning
with owning(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def outside_slurm(monkeypatch):
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("job", [None, "4"])
def test_a_second_command_on_a_run_is_told_who_writes_it_and_leaves_it_alone(tmp_path, monkeypatch, job):
    holder = f"job {job}" if job else f"process {os.getpid()} on {platform.node()}"
    if job:
        monkeypatch.setenv("SLURM_JOB_ID", job)
    with owning(tmp_path):
        with pytest.raises(LabError) as refused, owning(tmp_path):
            raise AssertionError("it was let in")
        assert str(refused.value) == f"{tmp_path}: {holder} is writing this run"
    with owning(tmp_path):
        pass


def test_a_command_owns_its_run_from_the_first_stage_to_the_last(tmp_path):
    """A second command that comes between two stages is refused before it writes anything."""
    config = RunConfig(data=DataConfig(max_test=1))
    found = []

    def between(name, context):
        with pytest.raises(LabError, match="is writing this run"):
            run(config, tmp_path / "run", Console(quiet=True), ("report",))
        found.append(name)
        return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab_lib.runs.run._run_stage", between)
        run(config, tmp_path / "run", Console(quiet=True), ("base", "finetuned"))
    assert found == ["base", "finetuned"]


def test_other_runs_and_other_processes_of_the_same_run_are_let_in(tmp_path, monkeypatch):
    """torchrun numbers them by RANK, and the first one holds the lock."""
    with owning(tmp_path / "one"), owning(tmp_path / "two"):
        monkeypatch.setenv("RANK", "1")
        with owning(tmp_path / "one"):
            pass
        monkeypatch.delenv("RANK")


def test_a_process_killed_with_9_holds_nothing(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LabError, match=f"process {other.pid} on"), owning(tmp_path):
            pass
    finally:
        other.kill()
        other.wait()
    with owning(tmp_path):
        assert f"process {os.getpid()} " in (tmp_path / LOCK).read_text()


def test_a_file_system_without_locks_and_windows_go_without(tmp_path, monkeypatch):
    import fcntl

    def none(stream, what):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    with monkeypatch.context() as no_locks:
        no_locks.setattr(fcntl, "flock", none)
        with owning(tmp_path), owning(tmp_path):
            pass
    with monkeypatch.context() as windows:
        windows.setitem(sys.modules, "fcntl", None)
        with owning(tmp_path), owning(tmp_path):
            pass
    assert (tmp_path / LOCK).exists()
