"""A run that asked for several processes and got another number refuses to start."""

from __future__ import annotations

import pytest

from lab_lib.errors import LabError
from lab_lib.processes.rank import world_size


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in ("WORLD_SIZE", "LAB_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "size"),
    [({}, 1), ({"WORLD_SIZE": "2"}, 2), ({"WORLD_SIZE": "4", "LAB_WORLD_SIZE": "4", "SLURM_STEP_NUM_TASKS": "2"}, 4)],
)
def test_the_number_of_processes_is_torchruns(monkeypatch, environment, size):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert world_size() == size


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"LAB_WORLD_SIZE": "2"}, r"2 processes .*\(LAB_WORLD_SIZE\).* 1;"),
        ({"LAB_WORLD_SIZE": "2", "WORLD_SIZE": "4"}, "2 processes .* 4;"),
        ({"SLURM_STEP_NUM_TASKS": "2"}, "srun started 2"),
    ],
)
def test_another_number_than_asked_for_is_refused(monkeypatch, environment, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(LabError, match=message):
        world_size()
