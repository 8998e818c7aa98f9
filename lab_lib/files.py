"""Reading and writing files so that nothing is ever half-written.

Every write goes to a temporary file in the same folder and is renamed when it is complete: a killed process
or a full disk leaves the old file as it was.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from lab_lib.errors import LabError


@contextmanager
def atomic_open(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; rename it to `path` when all went well, remove it on any failure.

    Raises LabError (one line, with the path) when the folder is read-only or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(_new_file(temporary), mode, encoding=_encoding(mode)) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise LabError(f"{path}: cannot write: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # after the renaming there is none
            temporary.unlink()


def _new_file(path: Path) -> int:
    """Create a file with the permissions that the umask gives any new file; return its number."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


@contextmanager
def appending(path: str | Path, mode: str = "a") -> Iterator[IO[Any]]:
    """Open a file to append to it, made if need be; a link is not followed.

    Raises LabError for what is no plain file of one name (writing to it would write to another file too), and when the
    folder is read-only or the disk is full.
    """
    try:
        with os.fdopen(open_plain(path, os.O_WRONLY | os.O_APPEND), mode, encoding=_encoding(mode)) as stream:
            yield stream
    except OSError as error:
        raise LabError(f"{path}: cannot write: {error.strerror or error}") from None


def open_plain(path: str | Path, flags: int) -> int:
    """Open a file, made if need be, to write into it in place; return its number.

    Raises LabError for a link, a pipe, a device, or a file that has another name elsewhere (a hard link): what is
    written would reach another file. Raises OSError as os.open does.
    """
    with suppress(FileNotFoundError):
        _require_plain(path, os.lstat(path))  # before it is opened: opening a pipe waits for its reader
    file = os.open(path, flags | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    try:
        _require_plain(path, os.fstat(file))
    except LabError:
        os.close(file)
        raise
    return file


def _require_plain(path: str | Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise LabError(f"{path}: expected a plain file of one name, found {kind_of(found)}; move it away")


def kind_of(found: os.stat_result) -> str:
    """Say what an entry of a folder is, after `os.lstat`."""
    kinds = ((stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"))
    named = next((name for test, name in kinds if test(found.st_mode)), None)
    return named or ("a hard link" if stat.S_ISREG(found.st_mode) else "a socket or device")


def _encoding(mode: str) -> str | None:
    return None if "b" in mode else "utf-8"


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn whatever a library raises while it writes `path` into one LabError line.

    torch.save says RuntimeError and safetensors SafetensorError where Python would say that the disk is full, so
    the body must do nothing but write.
    """
    try:
        yield
    except LabError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise LabError(f"{path}: cannot write (is the disk full?): {reason}") from error


def write_text(path: str | Path, text: str) -> Path:
    """Write `text` atomically and return the path."""
    with atomic_open(path) as stream:
        stream.write(text)
    return Path(path)


def write_json(path: str | Path, value: Any) -> Path:
    """Write `value` as indented UTF-8 JSON, atomically."""
    return write_text(path, json.dumps(value, indent=1, ensure_ascii=False, sort_keys=False) + "\n")


def read_bytes(path: str | Path) -> bytes:
    """Return a file's bytes, un-gzipped when the name ends in `.gz`. Raises LabError, never OSError."""
    path = Path(path)
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except FileNotFoundError:
        raise LabError(f"{path}: no such file") from None
    except EOFError:
        raise LabError(f"{path}: the gzip file is cut short") from None
    except (OSError, gzip.BadGzipFile) as error:
        raise LabError(f"{path}: cannot read: {error.strerror if error.errno else error}") from error


def read_text(path: str | Path) -> str:
    """Return a file's text. Raises LabError when it is missing or not UTF-8."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise LabError(f"{path}: not UTF-8 text (byte {error.start})") from None


def read_json(path: str | Path) -> Any:
    """Parse a JSON file (`.gz` too). Raises LabError naming file, line and column when it is cut or malformed."""
    text = read_text(path)
    if not text.strip():
        raise LabError(f"{path}: the file is empty, expected JSON")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        cut = " (is the file cut short?)" if error.pos >= len(text.rstrip()) - 1 else ""
        raise LabError(f"{path}: line {error.lineno}, column {error.colno}: {error.msg}{cut}") from None
    except RecursionError:
        raise LabError(f"{path}: JSON nested too deeply") from None


def read_json_or(default: Any, path: Path) -> Any:
    """Parse a JSON file, see `read_json`; return `default` where there is none yet."""
    return read_json(path) if path.exists() else default


def read_jsonl(path: str | Path) -> list[Any]:
    """Parse one JSON value a line, skipping blank lines. Raises LabError naming the line."""
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise LabError(f"{path}: line {number}: {error.msg}") from None
        except RecursionError:
            raise LabError(f"{path}: line {number}: JSON nested too deeply") from None
    return rows


def write_jsonl(path: str | Path, rows: Iterable[Any]) -> Path:
    """Write one JSON value a line, atomically."""
    with atomic_open(path) as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
    return Path(path)


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as stored (a `.gz` is not decompressed), 64 hex digits."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise LabError(f"{path}: cannot read: {error.strerror}") from None
    return digest.hexdigest()
