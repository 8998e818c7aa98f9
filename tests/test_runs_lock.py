"""One command at a time writes a run folder."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys

import pytest

from lab_lib.errors import LabError
from lab_lib.files import read_json
from lab_lib.runs.folder import RunFolder, stage
from lab_lib.runs.lock import LOCK

HOLD = """
import sys, time
from pathlib import Path
from lab_lib.runs.folder import RunFolder, stage
with stage(RunFolder(Path(sys.argv[1])), "train"):
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
    with stage(RunFolder(tmp_path), "train"):
        before = read_json(tmp_path / "status.json")
        with pytest.raises(LabError) as refused, stage(RunFolder(tmp_path), "base"):
            raise AssertionError("it was let in")
        assert str(refused.value) == f"{tmp_path}: {holder} is writing this run"
        assert read_json(tmp_path / "status.json") == before
    with stage(RunFolder(tmp_path), "base"):
        pass
    assert read_json(tmp_path / "status.json")["state"] == "completed"


def test_other_runs_and_other_processes_of_the_same_run_are_let_in(tmp_path, monkeypatch):
    """torchrun numbers them by RANK, and the first one holds the lock."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with stage(RunFolder(tmp_path / "one"), "train"), stage(RunFolder(tmp_path / "two"), "train"):
        monkeypatch.setenv("RANK", "1")
        with stage(RunFolder(tmp_path / "one"), "train"):
            pass
        monkeypatch.delenv("RANK")


def test_a_process_killed_with_9_holds_nothing(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LabError, match=f"process {other.pid} on"), stage(RunFolder(tmp_path), "train"):
            pass
    finally:
        other.kill()
        other.wait()
    with stage(RunFolder(tmp_path), "train"):
        assert read_json(tmp_path / "status.json")["pid"] == os.getpid()


def test_a_file_system_without_locks_and_windows_go_without(tmp_path, monkeypatch):
    import fcntl

    def none(stream, what):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    with monkeypatch.context() as no_locks:
        no_locks.setattr(fcntl, "flock", none)
        with stage(RunFolder(tmp_path), "train"), stage(RunFolder(tmp_path), "train"):
            pass
    with monkeypatch.context() as windows:
        windows.setitem(sys.modules, "fcntl", None)
        with stage(RunFolder(tmp_path), "train"), stage(RunFolder(tmp_path), "train"):
            pass
    assert (tmp_path / LOCK).exists()
