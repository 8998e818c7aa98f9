"""The lock of a run folder: one command at a time writes it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab_lib.errors import LabError
from lab_lib.files import open_plain, writing
from lab_lib.folders import refuse_links, remove_leftovers
from lab_lib.processes import slurm
from lab_lib.processes.rank import this_process
from lab_lib.runs.config import RunConfig
from lab_lib.runs.folder import RunFolder, open_folder

LOCK = ".lock"  # stays in the folder: to remove it would let two in, one with the old file and one with the new


@contextmanager
def owning(folder: Path) -> Iterator[None]:
    """Make a run folder, if need be, and own it inside the `with`, from a command's first stage to its last.

    Of several processes of one command the first one holds the lock. What killed writes left in the folder is removed.
    Raises LabError, naming the holder, when another command has the lock, and for a folder with links that lead out of
    it. A process that ends, however it does, holds nothing any more. Where there are no such locks (Windows, some file
    systems) nothing is held and nothing is raised.
    """
    if not this_process().first:
        yield
        return
    with holding(folder / LOCK, folder, "writing this run") as held:
        refuse_links(folder)
        if held:
            remove_leftovers(folder)
        yield


@contextmanager
def holding(lock: Path, what: Path, doing: str) -> Iterator[bool]:
    """Hold the lock file `lock`, made if need be, inside the `with`; yields whether there are such locks.

    Raises LabError `what: HOLDER is DOING` when another process holds it.
    """
    with writing(what):
        lock.parent.mkdir(parents=True, exist_ok=True)
    file = _take(lock, what, doing)
    try:
        yield file is not None
    finally:
        if file is not None:
            _give_back(file)


def open_owned(config: RunConfig, path: Path) -> RunFolder:
    """Open a run folder, see `open_folder`; a new one under its lock, or two commands would write its config."""
    if (path / "config.yaml").exists():
        return open_folder(config, path)
    with owning(path):
        return open_folder(config, path)


def _take(lock: Path, what: Path, doing: str) -> int | None:
    """Return the number of the locked file, or None where there is none to be had. A link is not followed."""
    try:
        import fcntl

        file = open_plain(lock, os.O_RDWR)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(file, 1000).decode(errors="replace").strip()
        os.close(file)
        if isinstance(error, BlockingIOError):
            raise LabError(f"{what}: {holder or 'another process'} is {doing}") from None
        return None  # this file system has no locks
    with suppress(OSError):  # a full disk: what is written next says so
        os.ftruncate(file, 0)
        os.write(file, _this_process().encode())
    return file


def _give_back(file: int) -> None:
    """Free the lock, also where a child process still has the file open."""
    import fcntl

    fcntl.flock(file, fcntl.LOCK_UN)
    os.close(file)


def _this_process() -> str:
    job = slurm.job_id()
    return f"job {job}\n" if job else f"process {os.getpid()} on {platform.node()}\n"
