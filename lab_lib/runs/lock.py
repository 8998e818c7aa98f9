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

LOCK = ".lock"  # stays in the folder: after a removal two commands could hold locks, on the old and on the new file


@contextmanager
def owning(folder: Path) -> Iterator[None]:
    """Create a run folder if necessary and own it inside the `with`, from a command's first stage to its last.

    With several processes of one command the first one holds the lock. Files of killed writes are removed from the
    folder. Raises LabError, naming the holder, if another command has the lock, and for a folder with links to places
    outside it. A lock ends with its process, however that ends. On systems without such locks (Windows, some file
    systems) nothing is locked and nothing is raised.
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
    """Hold the lock file `lock`, created if necessary, inside the `with`; yields whether the system has such locks.

    Raises LabError `what: HOLDER is DOING` if another process holds it.
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
    """Open a run folder, see `open_folder`; a new one under its lock, so that only one command writes its config."""
    if (path / "config.yaml").exists():
        return open_folder(config, path)
    with owning(path):
        return open_folder(config, path)


def _take(lock: Path, what: Path, doing: str) -> int | None:
    """Return the descriptor of the locked file, or None if locks are not available. A link is not followed."""
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
    with suppress(OSError):  # a full disk: the next write reports it
        os.ftruncate(file, 0)
        os.write(file, _this_process().encode())
    return file


def _give_back(file: int) -> None:
    """Release the lock, even if a child process still has the file open."""
    import fcntl

    fcntl.flock(file, fcntl.LOCK_UN)
    os.close(file)


def _this_process() -> str:
    job = slurm.job_id()
    return f"job {job}\n" if job else f"process {os.getpid()} on {platform.node()}\n"
