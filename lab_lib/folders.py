"""Our folders: permissions, links, files of killed writes, and a list of files with checksums."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import kind_of, sha256

TEMPORARY = re.compile(r"\..+\.[0-9a-z_]{8}\.tmp")  # names of unfinished writes, see files.atomic_open
LOGGERS = ("wandb", "trackio", "tensorboard")  # write links of their own into their folders


def apply_umask(folder: Path) -> None:
    """Give every file below `folder` the permissions of new files; folders have them already.

    safetensors, for example, makes files that only their owner can read, regardless of the umask.
    """
    mode = new_file_mode(folder)
    for path in entries(folder):
        if path.is_file() and not path.is_symlink():
            path.chmod(mode)


def new_file_mode(folder: Path) -> int:
    """Return the permissions of a new file in a folder. (The umask cannot be read without setting it.)"""
    probe = folder / f".mode.{secrets.token_hex(4)}.tmp"
    file = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        return stat.S_IMODE(os.fstat(file).st_mode)
    finally:
        os.close(file)
        probe.unlink()


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Make an empty folder beside `path`, on the same disk, so that renaming it is atomic; remove it at the end.

    Folders of killed calls for the same `path` are removed too: each has a lock, which ends with its process. Raises
    LabError if the parent folder cannot be written.
    """
    folder = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob(f".{path.name}.*.tmp"):
            if TEMPORARY.fullmatch(old.name) and not is_held(old):
                remove(old)
        folder.mkdir()
    except OSError as error:
        raise LabError(f"{path}: cannot write: {error.strerror}") from None
    file = _hold(folder)
    try:
        yield folder
    finally:
        remove(folder)
        if file is not None:
            os.close(file)


def _hold(folder: Path) -> int | None:
    """Lock a folder; return the descriptor of the lock file, or None if locks are not available."""
    try:
        import fcntl

        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file


def is_held(folder: Path) -> bool:
    """Return whether a process holds a folder of `folder_beside`; True if this cannot be determined."""
    file = _hold(folder)
    if file is not None:
        os.close(file)
    return file is None


def entries(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder, links among it; they are not followed."""
    for place, folders, files in os.walk(folder):
        yield from (Path(place) / name for name in sorted([*folders, *files]))


def refuse_links(folder: Path) -> None:
    """Raise LabError for a link to a place outside a folder, and for a pipe, socket or device in it.

    A folder may come from somebody else: through a link, any file could be overwritten or read. Folders of experiment
    loggers are exempt: wandb links to its log in the user's cache.
    """
    home = folder.resolve()
    for path in entries(folder):
        found, parts = path.lstat(), path.relative_to(folder).parts
        if len(parts) > 1 and parts[0] in LOGGERS:
            continue
        if stat.S_ISLNK(found.st_mode) and not path.resolve().is_relative_to(home):
            raise LabError(f"{path}: a link that leads out of the folder; put a copy of what it points to in its place")
        if not (stat.S_ISLNK(found.st_mode) or stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise LabError(f"{path}: expected a file or a folder, found {kind_of(found)}; remove it")


def remove_leftovers(folder: Path) -> None:
    """Remove files of killed writes below a folder that this process owns, except in its sweeps, which have their own
    locks.

    These are temporary files, and partial files of answers beside the complete file.
    """
    for path in entries(folder):
        whole, partial, _ = path.name.rpartition(".partial")
        decoded = partial and path.parent.name == "predictions" and path.with_name(whole).exists()
        if (decoded or TEMPORARY.fullmatch(path.name)) and "sweeps" not in path.relative_to(folder).parts:
            remove(path)


def require_folder(folder: Path) -> None:
    """Raise LabError if a folder that this command writes is gone: another write would create it again, half empty."""
    if not folder.is_dir():
        raise LabError(f"{folder}: the folder is gone; it was removed or renamed while this command wrote it")


def remove(path: Path) -> None:
    """Remove a file or a whole folder if it exists; for a link remove the link. Failures are ignored."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def sync(folder: Path) -> None:
    """Wait until every file below a folder is on disk, so that later writes cannot precede it.

    Does nothing on Windows, where neither a folder nor a file that is open for reading can be synchronised.
    """
    if os.name == "nt":
        return
    for path in (*entries(folder), folder):
        if path.is_symlink():
            continue
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return {path below the folder: {"bytes", "sha256"}} of every file; names that begin with a dot are omitted."""
    paths = (path for path in entries(folder) if not path.is_dir() and not path.name.startswith("."))
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in paths
    }


def difference(folder: Path, listed: Mapping[str, Any], besides: str) -> str | None:
    """Return in which file a folder differs from an earlier result of `list_files`; None if it does not.

    A file called `besides` is allowed too, and so are names that begin with a dot.
    """
    there = {p.relative_to(folder).as_posix(): p for p in entries(folder) if not p.name.startswith(".")}
    for name, written in listed.items():
        path = there.get(name)
        if path is None:
            return f"{name} is missing"
        if not stat.S_ISREG(path.lstat().st_mode):
            return f"{name} is {kind_of(path.lstat())}"
        if (size := path.stat().st_size) != written["bytes"]:
            return f"{name} has {size} bytes, it was written with {written['bytes']}"
    known = {*listed, besides}
    extra = [name for name, path in there.items() if name not in known and (path.is_symlink() or not path.is_dir())]
    if extra:
        return f"{extra[0]} was not written with it"
    changed = (name for name, written in listed.items() if sha256(there[name]) != written["sha256"])
    return next((f"{name} is not what was written" for name in changed), None)
