"""Read files, and write them atomically.

Every write goes to a temporary file in the same folder and is renamed when it is complete: a killed process
or a full disk leaves the old file as it was.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import json
import os
import secrets
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

from lab_lib.errors import LabError, shown
from lab_lib.strict_json import JsonError, line_and_column, parse_json

BYTES = getattr(os, "O_BINARY", 0)  # without it, Windows changes the line ends of binary data
MAX_BYTES = 1 << 28  # unpacked bytes of a file that is read as a whole: six times the largest of MultiWOZ


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
    """Create a file with the permissions of the umask; return its descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | BYTES, 0o666)


@contextmanager
def appending(path: str | Path, mode: str = "a") -> Iterator[IO[Any]]:
    """Open a file to append to it, made if need be; a link is not followed.

    Raises LabError for anything but a plain file without hard links (writing would change another file too), and if the
    folder is read-only or the disk is full.
    """
    try:
        with os.fdopen(open_plain(path, os.O_WRONLY | os.O_APPEND), mode, encoding=_encoding(mode)) as stream:
            yield stream
    except OSError as error:
        raise LabError(f"{path}: cannot write: {error.strerror or error}") from None


def open_plain(path: str | Path, flags: int) -> int:
    """Open a file, created if necessary, for writing in place; return its descriptor.

    Raises LabError for a link, a pipe, a device, or a hard link, because writing would change another file. Raises
    OSError as os.open does.
    """
    with suppress(FileNotFoundError):
        _require_plain(path, os.lstat(path))  # before it is opened: opening a pipe waits for its reader
    file = os.open(path, flags | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | BYTES, 0o666)
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
    """Return the kind of a folder's entry, from `os.lstat`."""
    kinds = ((stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"))
    named = next((name for test, name in kinds if test(found.st_mode)), None)
    return named or ("a hard link" if stat.S_ISREG(found.st_mode) else "a socket or device")


def _encoding(mode: str) -> str | None:
    return None if "b" in mode else "utf-8"


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn every exception of a library that writes `path` into a one-line LabError.

    torch.save raises RuntimeError and safetensors SafetensorError if the disk is full, so the body must only write.
    """
    try:
        yield
    except LabError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise LabError(f"{path}: cannot write (is the disk full?): {reason}") from error


def expanded(name: str | Path) -> Path:
    """Return a path with `~` expanded to the home folder; a path of an unknown user stays unchanged.

    Use os.path.isdir and os.path.exists for paths from users: Path's methods raise OSError for a name that is too long.
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
    """Return a file's bytes, un-gzipped when the name ends in `.gz`.

    Raises LabError, never OSError: also for anything but a regular file (a pipe or device may have no end), and for
    more than MAX_BYTES before or after unpacking.
    """
    path = Path(path)
    try:
        _check_regular(path)
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
            return _read_bounded(stream, path)
    except FileNotFoundError:
        raise LabError(f"{path}: no such file") from None
    except EOFError:
        raise LabError(f"{path}: the gzip file is truncated") from None
    except zlib.error as error:
        raise LabError(f"{path}: the gzip file is damaged: {error}") from None
    except (OSError, gzip.BadGzipFile) as error:
        raise LabError(f"{path}: cannot read: {error.strerror if error.errno else error}") from error


def _check_regular(path: Path) -> None:
    """Raise LabError for a pipe, socket or device, OSError for what is not there."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a folder fails with the system's words
        raise LabError(f"{path}: expected a regular file, not a pipe or device")


def _read_bounded(stream: BinaryIO | gzip.GzipFile, path: Path) -> bytes:
    """Return the rest of a stream, read in pieces, so that at most MAX_BYTES are in memory."""
    pieces, size = [], 0
    while piece := stream.read(1 << 20):
        pieces.append(piece)
        if (size := size + len(piece)) > MAX_BYTES:
            raise LabError(f"{path}: more than {MAX_BYTES:,} bytes, which is too large to be read")
    return b"".join(pieces)


def read_text(path: str | Path) -> str:
    """Return a file's text. Raises LabError when it is missing or not UTF-8."""
    raw = read_bytes(path)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        kind = "is it UTF-16? " if raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else ""
        raise LabError(f"{path}: not UTF-8 text ({kind}byte {error.start})") from None


def read_json(path: str | Path) -> Any:
    """Parse a JSON file (`.gz` too). Raises LabError naming file, line and column of what `parse_json` refuses."""
    text = read_text(path)
    if not text.strip():
        raise LabError(f"{path}: the file is empty, expected JSON")
    try:
        return parse_json(text)
    except JsonError as error:
        cut = " (is the file cut short?)" if error.position >= len(text.rstrip()) - 1 else ""
        cut = " (JSON lines? such a file is called .jsonl)" if str(error) == "Extra data" else cut
        line, column = line_and_column(text, error.position)
        raise LabError(f"{path}: line {line}, column {column}: {error}{cut}") from None


@contextmanager
def reading(path: str | Path, what: str) -> Iterator[None]:
    """Turn Python's exceptions about an unexpected structure of a parsed file into a one-line LabError.

    `what` names the expected content. The body must only access the file's values.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise LabError(f"{path}: not {what} ({type(error).__name__}: {shown(str(error), 100)[1:-1]})") from None


def read_json_object(path: str | Path) -> dict[str, Any]:
    """Parse a file that holds a JSON object, see `read_json`. Raises LabError for a list or a single value too."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise LabError(f"{path}: expected a JSON object, found {shown(value)}")
    return value


def read_json_or(default: Any, path: Path) -> Any:
    """Parse a file that holds a JSON object, see `read_json_object`; return `default` if the file does not exist."""
    return read_json_object(path) if path.exists() else default


def read_jsonl(path: str | Path) -> list[Any]:
    """Parse one JSON value per line, skipping blank lines. Raises LabError naming the line; see `parse_json`."""
    return parse_jsonl(read_text(path), path)


def parse_jsonl(text: str, path: str | Path) -> list[Any]:
    """Parse the text of a JSONL file, see `read_jsonl`; messages begin with `path`."""
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(parse_json(line))
        except JsonError as error:
            raise LabError(f"{path}: line {number}: {error}") from None
    return rows


def listed(folder: str | Path, pattern: str = "*") -> list[Path]:
    """Return a folder's entries that match `pattern`, sorted by name; empty if the folder does not exist.

    Names that begin with a dot are skipped: hidden files, and the `._name` that macOS writes beside every file.
    """
    folder = Path(folder)
    found = ((path, path.relative_to(folder).parts) for path in folder.glob(pattern))
    return sorted(path for path, parts in found if not any(part.startswith(".") for part in parts))


def write_jsonl(path: str | Path, rows: Iterable[Any]) -> Path:
    """Write one JSON value per line, atomically."""
    with atomic_open(path) as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
    return Path(path)


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as stored (a `.gz` is not decompressed), 64 hex digits."""
    digest = hashlib.sha256()
    try:
        _check_regular(Path(path))
        with open(path, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise LabError(f"{path}: cannot read: {error.strerror}") from None
    return digest.hexdigest()
