"""The bash launchers as tests start them: with this interpreter, or with one that prints what it is called with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BASH = shutil.which("bash")
NEEDS_BASH = pytest.mark.skipif(BASH is None, reason="no bash here")


def launch(script: Path, *arguments: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Run a launcher with this interpreter; `changes` set environment variables, None removes one."""
    environment = {**os.environ, "LAB_PYTHON": sys.executable, "LAB_ACCELERATE": "", **changes}
    kept = {name: value for name, value in environment.items() if value is not None}
    return subprocess.run([BASH or "", str(script), *arguments], capture_output=True, text=True, env=kept, timeout=120)


SPY = '#!/bin/sh\n[ "$1" = -c ] && exit 0\n{real}\necho "$LAB_REQUEUE $@"\n'


def spy_on(folder: Path, but: str = "none") -> str:
    """Return an interpreter that prints what it is called with, `but` for a module that it runs."""
    (folder / "python").write_text(SPY.format(real=f'[ "$2" = {but} ] && exec {sys.executable} "$@"'))
    (folder / "python").chmod(0o755)
    return str(folder / "python")
