"""How a run ended, as it writes it itself: memory, time, failures, interruptions; and which job asks to be requeued."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from lab_lib.errors import LabError, OutOfMemory, Stopped
from lab_lib.files import read_json, write_json
from lab_lib.processes import slurm
from lab_lib.runs.folder import RunFolder, default_folder, stage
from lab_lib.training.stopping import stopping_cleanly

SLURM = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_END_TIME", "SLURM_RESTART_COUNT")


@pytest.fixture(autouse=True)
def outside_slurm(monkeypatch):
    for name in (*SLURM, slurm.REQUEUE, slurm.MAX_RESTARTS):
        monkeypatch.delenv(name, raising=False)


def ended(folder, error: BaseException) -> dict:
    """Return status.json after a stage that raised `error`."""
    with pytest.raises(type(error)), stage(RunFolder(folder), "train"):
        raise error
    return read_json(folder / "status.json")


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (OutOfMemory("out of memory while training: halve training.micro_batch_size"), "oom"),
        (MemoryError(), "oom"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), "oom"),
        (LabError("loss is nan"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
        (Stopped(signal.SIGUSR1), "interrupted"),
        (Stopped(signal.SIGTERM), "interrupted"),
    ],
)
def test_status_tells_memory_from_failures_and_interruptions(tmp_path, error, state):
    status = ended(tmp_path, error)
    assert status["state"] == state and status["reason"]
    assert status["command"] == sys.argv[1:] and "job" not in status


@pytest.mark.parametrize(
    ("number", "environment", "state"),
    [
        (signal.SIGUSR1, {}, "timeout"),  # warned, and not to be requeued: this was the end of its time
        (signal.SIGUSR1, {"LAB_REQUEUE": "1"}, "interrupted"),
        (signal.SIGUSR1, {"LAB_REQUEUE": "1", "RANK": "1"}, "interrupted"),  # the first process puts the job back
        (signal.SIGUSR1, {"LAB_REQUEUE": "1", "SLURM_RESTART_COUNT": "100"}, "timeout"),
        (signal.SIGUSR1, {"LAB_REQUEUE": "1", "SLURM_RESTART_COUNT": "3", "LAB_MAX_RESTARTS": "3"}, "timeout"),
        (signal.SIGTERM, {"LAB_REQUEUE": "1"}, "interrupted"),  # cancelled, or preempted: Slurm requeues by itself
        (signal.SIGTERM, {"SLURM_JOB_END_TIME": str(int(time.time()) - 1)}, "timeout"),
        (signal.SIGTERM, {"SLURM_JOB_END_TIME": str(int(time.time()) + 3600)}, "interrupted"),
    ],
)
def test_status_of_a_job_tells_its_time_limit_from_preemption(tmp_path, monkeypatch, number, environment, state):
    for name, value in {"SLURM_JOB_ID": "12", **environment}.items():
        monkeypatch.setenv(name, value)
    status = ended(tmp_path, Stopped(number))
    assert (status["state"], status["job"]) == (state, "12")


def test_a_job_notes_what_was_set_for_it(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("LAB_")]:
        monkeypatch.delenv(name)
    given = {"LAB_PROCESSES": "2", "LAB_SBATCH": "--mem=8G"}
    for name, value in {**given, "SLURM_JOB_ID": "12", "LAB_REQUEUE": "1", "LAB_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert ended(tmp_path, LabError("no"))["set"] == given


def test_the_first_failure_of_several_processes_is_the_one_that_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(LabError), stage(RunFolder(tmp_path), "train"):
        with monkeypatch.context() as other:
            other.setenv("RANK", "1")
            with pytest.raises(OutOfMemory), stage(RunFolder(tmp_path), "train"):
                raise OutOfMemory("out of memory")
        raise LabError("the connection was closed by the other process")
    assert read_json(tmp_path / "status.json")["state"] == "oom"


def test_of_several_processes_only_the_first_speaks_of_a_signal(tmp_path, monkeypatch):
    """All are sent it; and what ends because the first one may not write has nothing to say about the run."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    with stage(RunFolder(tmp_path), "train"), monkeypatch.context() as other:
        other.setenv("RANK", "1")
        assert ended(tmp_path, Stopped(signal.SIGTERM))["state"] == "running"
    assert read_json(tmp_path / "status.json")["state"] == "completed"


def test_a_warned_job_that_slurm_does_not_put_back_was_out_of_time(tmp_path, monkeypatch):
    (tmp_path / "scontrol").write_text(
        "#!/bin/sh\necho 'scontrol: error: Requested operation is disabled' >&2; exit 1\n"
    )
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv(slurm.REQUEUE, "1")
    with pytest.raises(LabError, match="is disabled"), stopping_cleanly(), stage(RunFolder(tmp_path), "train"):
        os.kill(os.getpid(), signal.SIGUSR1)
    status = read_json(tmp_path / "status.json")
    assert status["state"] == "timeout"
    assert status["reason"].startswith("stopped by SIGUSR1; not requeued: scontrol: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_the_command_line_ends_with_the_number_of_the_signal(number, capsys):
    with pytest.raises(SystemExit) as end, stopping_cleanly():
        os.kill(os.getpid(), number)
    assert end.value.code == 128 + number
    assert capsys.readouterr().err == f"stopped by {number.name}; the same command resumes from here\n"
    assert signal.getsignal(number) == signal.SIG_DFL


def test_a_job_is_named_by_array_and_task_and_so_is_its_run(monkeypatch):
    from lab_lib.runs.config import load_recipe

    config = load_recipe("town-qlora-cpu", [])
    assert slurm.job_id() is None
    monkeypatch.setenv("SLURM_JOB_ID", "15")
    assert slurm.job_id() == "15" and default_folder(config).name == "town-qlora-cpu-15"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert slurm.job_id() == "12_3"


@pytest.mark.parametrize(
    ("number", "environment", "asked"),
    [
        (signal.SIGUSR1, {"LAB_REQUEUE": "1"}, "requeue 12_3\n"),
        (signal.SIGUSR1, {"LAB_REQUEUE": "1", "RANK": "1"}, ""),
        (signal.SIGUSR1, {"LAB_REQUEUE": "0"}, ""),  # a run of a sweep: the sweep is the job
        (signal.SIGTERM, {"LAB_REQUEUE": "1"}, ""),
    ],
)
def test_only_the_warned_job_itself_asks_to_be_requeued(tmp_path, monkeypatch, number, environment, asked):
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for name, value in {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3", **environment}.items():
        monkeypatch.setenv(name, value)
    slurm.requeue(Stopped(number))
    assert ((tmp_path / "asked").read_text() if (tmp_path / "asked").exists() else "") == asked


KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
from lab_lib.runs.folder import RunFolder, stage
threading.Timer(float(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
with stage(RunFolder(Path(sys.argv[1])), "train"):
    print("begun", flush=True)
    time.sleep(600)
"""


def test_seconds_of_calls_that_failed_or_were_killed_are_counted(tmp_path):
    """A call that is killed with 9 has written its seconds from time to time, the last time a second before or so."""
    write_json(tmp_path / "seconds.json", {"base": 4.0, "train": 100.0})
    with pytest.raises(KeyboardInterrupt), stage(RunFolder(tmp_path), "train"):
        time.sleep(0.3)
        raise KeyboardInterrupt
    found = read_json(tmp_path / "seconds.json")
    assert found["base"] == 4.0 and found["train"] >= 100.2
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "4"], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL and read_json(tmp_path / "status.json")["state"] == "running"
    after = read_json(tmp_path / "seconds.json")
    assert "begun" not in killed.stdout or after["train"] >= found["train"] + 0.9
    with stage(RunFolder(tmp_path), "train"):
        pass
    assert read_json(tmp_path / "seconds.json")["train"] >= after["train"]


@pytest.mark.parametrize("name", ["seconds.json", "memory.json"])
@pytest.mark.parametrize(
    "content", ["[1]", '{"train": "long"}', '{"train": true}', '{"train": -1}', '{"train": 1e999}', "{"]
)
def test_damaged_figures_are_one_line_before_the_stage_begins(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(LabError, match=name), stage(RunFolder(tmp_path), "train"):
        raise AssertionError("it began")


def test_a_full_disk_does_not_leave_a_run_that_seems_to_go_on(tmp_path, monkeypatch):
    def no_space(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(LabError, match="cannot write: No space left"), stage(RunFolder(tmp_path), "train"):
        monkeypatch.setattr(os, "fsync", no_space)
        write_json(tmp_path / "adapter.json", {})
    monkeypatch.undo()
    status = read_json(tmp_path / "status.json")
    assert status["state"] == "failed" and "No space left on device" in status["reason"]
    assert {path.name for path in tmp_path.iterdir()} == {"status.json"}


@pytest.mark.parametrize("how", ["removed", "renamed"])
@pytest.mark.parametrize("error", [None, RuntimeError("no such file"), LabError("cannot write")])
def test_a_folder_that_is_gone_is_one_line_and_is_not_made_anew(tmp_path, how, error):
    folder = tmp_path / "run"
    folder.mkdir()
    gone = pytest.raises(LabError, match="run: the folder is gone; it was removed or renamed")
    with gone, stage(RunFolder(folder), "base"):
        shutil.rmtree(folder) if how == "removed" else folder.rename(tmp_path / "elsewhere")
        if error:
            raise error
    assert not folder.exists()
