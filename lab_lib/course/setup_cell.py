"""The set-up cell that every notebook starts with: the builder puts it after the title."""

from __future__ import annotations

TEMPLATE = """\
# Set-up: run this first. It installs only what is missing here, and leaves torch and numpy as they are.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("lab_lib") is None:
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "git+{repository}"]
    with subprocess.Popen(pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as install:
        print(*install.stdout, sep="")
    importlib.invalidate_caches()
from lab_lib.course.setup import ready

ready()"""


def setup_cell(repository: str) -> str:
    """Return the source of the set-up cell; `repository` is the address that git clones, without `git+`.

    The cell needs Python, pip and git only. It reads the output of pip from a pipe and prints it: not every notebook
    front end shows what a child process writes to its own standard output.

    >>> "git+https://example.org/lab" in setup_cell("https://example.org/lab")
    True
    """
    return TEMPLATE.format(repository=repository)
