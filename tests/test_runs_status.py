"""How a run ended, as it writes it itself: memory, time, failures, interruptions; and which job asks to be requeued."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from lab_lib.errors import LabError, OutOfMemory, Stopped
from lab_lib.files import read_json
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
    assert status["reason"].startswith("stopped by SIGUSR1; not put back into the queue: scontrol: ")


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
