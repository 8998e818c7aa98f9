"""The record of a run: what is needed to believe a number and to make it again."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lab_lib import __version__

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "sacrebleu", "sacremoses", "rapidfuzz")


def environment() -> dict[str, Any]:
    """Return command, commit, machine, date and package versions of this process."""
    return {
        "command": " ".join(["lab", *sys.argv[1:]]),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "machine": machine(),
        "peak_memory_gb": round(peak_memory() / 1e9, 2),
        "versions": {"lab_lib": __version__, "python": platform.python_version(), **versions()},
    }


def without_folder(command: str) -> str:
    """Return a command without `--out FOLDER`: where a run was put does not matter for what it found.

    >>> without_folder("lab sweep town --out /a/b --jobs 2")
    'lab sweep town --jobs 2'
    """
    words, kept = command.split(" "), []
    while words:
        word = words.pop(0)
        if word == "--out":
            words = words[1:]
        elif not word.startswith("--out="):
            kept.append(word)
    return " ".join(kept)


def versions() -> dict[str, str]:
    """Return the installed versions of the packages that numbers depend on."""
    found = {}
    for name in PACKAGES:
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
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {_gpu()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n")
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _gpu() -> str:
    torch = sys.modules.get("torch")  # a record never loads torch by itself; a run that used it has it loaded
    if torch is None or not torch.cuda.is_available():
        return "no GPU"
    return f"{torch.cuda.get_device_name()} (CUDA {torch.version.cuda})"


def peak_memory() -> float:
    """Return the largest resident memory of this process so far in bytes (Linux counts in kB, macOS in bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
