"""Fixtures every test may use. The default tier runs offline on a CPU; `real` tests need the data in LAB_DATA."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

# Two threads that spin while waiting slow each other down tenfold on a busy machine; and no test may reach a hub.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def lab_data() -> Path:
    """The folder LAB_DATA names (real corpora in official layouts); the test is skipped without it."""
    folder = os.environ.get("LAB_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("LAB_DATA is not set to a folder with the real corpora")
    return Path(folder)


@pytest.fixture
def cli(capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: `cli("jobs", "ls")` returns exit code, stdout and stderr."""
    from command_line import lab

    return lambda *arguments: (lab(*arguments), *capsys.readouterr())
