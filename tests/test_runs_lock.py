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
from lab_lib.runs.config import RunConfig, load_run_config
from lab_lib.runs.folder import open_folder
from lab_lib.runs.lock import LOCK, open_owned, owning
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


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "folder"])
def test_a_lock_that_is_no_file_of_the_run_is_refused_and_nothing_is_overwritten(tmp_path, kind):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    lock = tmp_path / "run" / LOCK
    lock.parent.mkdir()
    {
        "link": lambda: lock.symlink_to(victim),
        "hard link": lambda: os.link(victim, lock),
        "pipe": lambda: os.mkfifo(lock),
        "folder": lock.mkdir,
    }[kind]()
    with pytest.raises(LabError, match=rf"\.lock: expected a plain file of one name, found a {kind}"):
        run(RunConfig(data=DataConfig(max_test=1)), tmp_path / "run", Console(quiet=True), ("report",))
    assert victim.read_text() == "precious" and [path.name for path in lock.parent.iterdir()] == [LOCK]


@pytest.mark.parametrize("name", ["status.json", "log.jsonl", "config.yaml", "predictions", "checkpoints", "adapter"])
def test_a_run_with_a_link_to_elsewhere_is_refused_before_anything_is_written(tmp_path, name):
    (tmp_path / "victim").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "victim")
    with pytest.raises(LabError, match=f"run/{name}: a link that leads out of the folder"):
        run(RunConfig(data=DataConfig(max_test=1)), tmp_path / "run", Console(quiet=True), ("base",))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {name, LOCK}
    assert not list((tmp_path / "victim").iterdir())


def test_the_config_of_a_new_folder_is_written_by_who_holds_its_lock(tmp_path, monkeypatch):
    """The second of two commands with other settings writes nothing; of several processes the first one writes."""
    mine, other = RunConfig(data=DataConfig(max_test=1)), RunConfig(data=DataConfig(max_test=2))
    with owning(tmp_path / "run"):
        with pytest.raises(LabError, match="is writing this run"):
            open_owned(other, tmp_path / "run")
        monkeypatch.setenv("RANK", "1")
        open_folder(other, tmp_path / "run")
        monkeypatch.delenv("RANK")
        assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]
        open_folder(mine, tmp_path / "run")
    with pytest.raises(LabError, match=r"this run was started with data\.max_test=1, not 2"):
        open_owned(other, tmp_path / "run")
    assert load_run_config(tmp_path / "run") == mine


def test_what_a_killed_command_left_is_removed_under_the_lock_alone(tmp_path):
    left = tmp_path / ".status.json.0123abcd.tmp"
    with owning(tmp_path):
        left.touch()
        with pytest.raises(LabError, match="is writing this run"), owning(tmp_path):
            pass
        assert left.exists()
    with owning(tmp_path):
        assert not left.exists()
