"""Fixtures every test may use. The default tier runs offline on a CPU; `real` tests need the data in LAB_DATA."""

from __future__ import annotations

import os
import sys
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
def cli(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process: `cli("jobs", "ls")` returns exit code, stdout and stderr."""
    from lab_lib.cli import main

    def lab(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lab", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return lab
