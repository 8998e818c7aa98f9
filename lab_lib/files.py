"""Reading and writing files so that nothing is ever half-written.

Every write goes to a temporary file in the same folder and is renamed when it is complete: a killed process
or a full disk leaves the old file as it was.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lab_lib.errors import LabError


@contextmanager
def atomic_open(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; rename it to `path` when all went well, remove it on any failure.

    Raises LabError (one line, with the path) when the folder is read-only or the disk is full.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes files private (0600); give the result the permissions any new file would have.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise LabError(f"{path}: cannot write: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


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


def _umask() -> int:
    """Return the process's umask (the only way to read it is to set it)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def expanded(name: str | Path) -> Path:
    """Return a path with `~` for the home folder written out; one of nobody's home stays as it is.

    Ask os.path.isdir and os.path.exists about what a user wrote: those of Path raise OSError for a name that is too
    long.
    """
    return Path(os.path.expanduser(name))


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
