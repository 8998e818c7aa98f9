"""The record of a run: the facts that make a number verifiable and reproducible."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab_lib import __version__
from lab_lib.processes.limits import GIB, machine_memory

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "sacrebleu", "sacremoses", "rapidfuzz")
PLACES = ("--out", "--record")  # options that say where results are written
# A word of a shell's command, quotes and all, or a `;` that ends one.
WORD = re.compile(r"""(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s;]|;(?!\s|$))+|;""")


def environment() -> dict[str, Any]:
    """Return command (as a shell takes it), commit, machine, date and package versions of this process."""
    return {
        "command": shlex.join(["lab", *sys.argv[1:]]),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "machine": machine(),
        "peak_memory_gb": round(peak_memory() / 1e9, 2),
        "versions": {"lab_lib": __version__, "python": platform.python_version(), **versions()},
    }


def without_folder(command: str) -> str:
    """Return a command without `--out FOLDER` and `--record FILE`: where results are written does not affect them.

    >>> without_folder("lab sweep town --out '/a b/c' --jobs 2; lab decode RUN")
    'lab sweep town --jobs 2; lab decode RUN'
    >>> without_folder("lab train town '--out=/a b'; lab train town training.seed=1 --out RUN; lab decode RUN")
    'lab train town; lab train town training.seed=1; lab decode RUN'
    >>> without_folder("lab understand train-embedder --out e corpus=sgd --record=e.json")
    'lab understand train-embedder corpus=sgd'
    """
    kept: list[str] = []
    dropped = False  # whether the previous word was --out or --record, so this one is its place
    for word in WORD.findall(command):
        if word == ";":  # belongs to the previous word, even if that was dropped
            kept[-1:] = ["".join(kept[-1:]) + word]
        elif not dropped and word not in PLACES and not unquoted(word).startswith(tuple(f"{name}=" for name in PLACES)):
            kept.append(word)
        dropped = word in PLACES
    return " ".join(kept)


def words(command: str) -> list[str]:
    """Return the words of a command without their quotes; a `;` between commands is one.

    >>> words("lab train town 'prompt.instruction=You are' training.seed=2; lab decode RUN")
    ['lab', 'train', 'town', 'prompt.instruction=You are', 'training.seed=2', ';', 'lab', 'decode', 'RUN']
    """
    return [unquoted(word) for word in WORD.findall(command)]


def unquoted(word: str) -> str:
    """Return a word after the shell's unquoting; a word with unclosed quotes stays unchanged."""
    try:
        return "".join(shlex.split(word))
    except ValueError:
        return word


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the installed versions of some packages, by default those that affect results."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit() -> str:
    """Return the commit of the source tree this runs from (`+` when it has uncommitted changes), or `unknown`."""
    folder = Path(__file__).parent
    try:
        head = _git(folder, "rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def machine() -> str:
    """Return processor, cores, memory and GPU in one line."""
    memory = machine_memory() / GIB
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {_gpu()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n")
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _gpu() -> str:
    torch = sys.modules.get("torch")  # a record does not import torch; a run that used torch has imported it already
    if torch is None or not torch.cuda.is_available():
        return "no GPU"
    return f"{torch.cuda.get_device_name()} (CUDA {torch.version.cuda})"


def peak_memory() -> float:
    """Return the largest resident memory of this process so far in bytes (Linux counts in kB, macOS in bytes)."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
