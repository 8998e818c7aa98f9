"""One file from the network, whole and verified, or nothing: resumed, retried, checked, renamed.

What has come so far lies in `<target>.part`; only a file whose SHA-256 is right is renamed to its name. The same call
after an interruption goes on where the part ends.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab_lib.errors import LabError
from lab_lib.files import sha256

BLOCK = 1 << 16
# Answers that another try may change: timeout, too many requests, and the server's own troubles (5xx).
TRANSIENT = {408, 425, 429}

# Called with the bytes of this file that are here: after each block, and with fewer when a part was thrown away.
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Patience:
    """How long to try before giving up."""

    attempts: int = 6  # tries in a row that bring no new byte; one that brings some starts the count again
    stall: float = 30.0  # seconds without a byte after which a connection is dropped
    pause: float = 1.0  # seconds before the second try; doubled before each further one: 1 + 2 + 4 + 8 + 16 = 31 s


DEFAULT = Patience()


class _Retry(Exception):
    """Something another try may put right; the text says what."""


def download(
    url: str, target: Path, checksum: str, patience: Patience = DEFAULT, progress: Progress | None = None
) -> Path:
    """Download `url` to `target`, resuming `<target>.part`, and return `target`.

    `checksum` is the SHA-256 of the file in hex. Raises LabError naming the URL: at once for an address that is not
    there or not http(s), after `patience` for stalls, broken connections, server errors and wrong content, and with
    the path for a disk that is full or read-only. A part is kept for the next call unless its content was wrong.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise LabError(f"{url}: expected an http or https address")
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _until_verified(url, part, checksum, patience, progress or (lambda here: None))
        part.replace(target)
    except OSError as error:
        raise LabError(f"{target}: cannot write: {error.strerror or error}") from error
    return target


def _until_verified(url: str, part: Path, checksum: str, patience: Patience, progress: Progress) -> None:
    """Try until the part has the checksum, or until `patience.attempts` tries in a row brought nothing new."""
    failures, best = 0, _size(part)
    while True:
        try:
            _receive(url, part, patience.stall, progress)
            return _verify(part, checksum)
        except _Retry as problem:
            gained, best = _size(part) > best, max(best, _size(part))
            failures = 1 if gained else failures + 1
            if failures >= patience.attempts:
                raise LabError(f"{url}: {problem}, after {failures} tries{_advice(part)}") from None
            time.sleep(patience.pause * 2 ** (failures - 1))


def _receive(url: str, part: Path, stall: float, progress: Progress) -> None:
    """Append the rest of the file to the part, or begin anew when the server sends it from the beginning."""
    have = _size(part)
    answer = _open(url, have, stall)
    if answer is None:
        return
    with answer:
        if answer.status == 206 and _range_start(answer) != have:
            part.unlink()
            raise _Retry("the server sent another range than the one asked for")
        _append(answer, part, have if answer.status == 206 else 0, progress)


def _open(url: str, have: int, stall: float) -> Any:
    """Ask for the bytes from `have` on; None when there is nothing behind them (the part is whole, or too long)."""
    headers = {"User-Agent": "lab_lib", "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=stall)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            return None
        if error.code >= 500 or error.code in TRANSIENT:
            raise _Retry(f"the server answered {error.code}") from None
        reason = http.client.responses.get(error.code, "refused")
        raise LabError(f"{url}: the server answered {error.code} ({reason}); is the address right?") from None
    except urllib.error.URLError as error:
        raise _Retry(f"no connection ({error.reason})") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Retry(f"no connection ({error or type(error).__name__})") from None


def _append(answer: Any, part: Path, have: int, progress: Progress) -> None:
    """Write the body behind the first `have` bytes of the part. Raises _Retry when it ends before its length."""
    length = answer.headers.get("Content-Length")
    expected = have + int(length) if length else None
    with open(part, "r+b" if have else "wb") as stream:
        if have:
            stream.truncate(have)
            stream.seek(have)
        progress(have)
        while block := _read(answer):
            stream.write(block)
            have += len(block)
            progress(have)
    if expected is not None and have < expected:
        raise _Retry(f"only {have} of {expected} bytes came")


def _read(answer: Any) -> bytes:
    """Read what has come, a block at most. `read` would wait for a whole block and lose it when the server stalls.

    Errors of the network are told apart here from errors of the disk, which are OSErrors too.
    """
    try:
        return answer.read1(BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _Retry(f"connection lost ({error or type(error).__name__})") from None


def _verify(part: Path, checksum: str) -> None:
    """Return if the part is the file that was promised; else throw it away and ask for another try."""
    found = sha256(part)
    if found != checksum:
        part.unlink()
        raise _Retry(f"wrong content (SHA-256 {found[:12]}..., expected {checksum[:12]}...)")


def _range_start(answer: Any) -> int | None:
    """Return where a 206 answer begins: 100 for `Content-Range: bytes 100-199/200`; None if it does not say."""
    start = answer.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
    return int(start) if start.isdigit() else None


def _size(path: Path) -> int:
    """Return the bytes of a file, 0 if it is not there."""
    return path.stat().st_size if path.exists() else 0


def _advice(part: Path) -> str:
    """Say what the user can do next."""
    if part.exists():
        return f"; {_size(part)} bytes are kept and the same command goes on from there"
    return "; try again later, or another --mirror"
