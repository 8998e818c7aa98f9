"""Programs in the place of Slurm's, a command line and a run folder, for tests of what is asked of Slurm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab_lib.files import write_json
from lab_lib.processes import slurm

SLURM = ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_END_TIME", "SLURM_RESTART_COUNT")
# What the real ones print on stderr for a job that is long over.
FORGOTTEN = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"
NO_ACCOUNTS = "echo 'Slurm accounting storage is disabled' >&2; exit 1"


@pytest.fixture(autouse=True)
def outside_slurm(monkeypatch):
    for name in (*SLURM, slurm.REQUEUE, slurm.MAX_RESTARTS):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Programs in the place of Slurm's: `cluster(squeue="echo RUNNING")` says what one prints."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)

    def install(**bodies: str) -> Path:
        for name, body in bodies.items():
            (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/asked\n{body}\n')
            (programs / name).chmod(0o755)
        return tmp_path / "asked"

    install(squeue=FORGOTTEN, sacct=NO_ACCOUNTS, sbatch="echo 77", sinfo="echo gpu; echo cpu", scontrol="exit 1")
    return install


def run_folder(path: Path, state: str, **more) -> Path:
    command = {"command": ["train", "town-qlora-cpu", "training.steps=4"], "folder": str(path.parent)}
    status = {"stage": "train", "state": state, "host": os.uname().nodename, "pid": os.getpid(), **command, **more}
    write_json(path / "status.json", status)
    return path
