"""Download one file completely and verified, or not at all: with resuming, retries, checksum and renaming.

The partial download is `<target>.part`; only a file with the right SHA-256 is renamed to `<target>`. After an
interruption the same call resumes where the part ends.
"""

from __future__ import annotations

import http.client
import re
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lab_lib.corpora.web import open_web, require_address
from lab_lib.errors import LabError
from lab_lib.files import sha256

BLOCK = 1 << 16
MOST = 1 << 30  # maximum bytes of a file without published size; the largest one of a corpus has 400 MB
# Answers for which another try may help: timeout, too many requests, and server errors (5xx).
TRANSIENT = {408, 425, 429}

# Called with the number of received bytes: after each block, and with fewer after a part was discarded.
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Patience:
    """How long to try before giving up."""

    attempts: int = 6  # consecutive tries without a new byte; a new byte resets the count
    stall: float = 30.0  # seconds without a byte after which a connection is dropped
    pause: float = 1.0  # seconds before the second try; doubled before each further one: 1 + 2 + 4 + 8 + 16 = 31 s
    # Total time for a file: `grace` seconds, plus one for every `slowest` received bytes, so that a server that sends a
    # byte now and then is given up. Six stalls and the pauses between them take 6 x 30 + 31 = 211 s.
    grace: float = 300.0
    slowest: float = 1000.0


DEFAULT = Patience()


class _Retry(Exception):
    """An error for which another try may help; the text describes it."""


@dataclass(frozen=True)
class _Job:
    """A download and its bounds: `most` bytes, and a time that grows with the received bytes."""

    url: str
    part: Path
    most: int
    patience: Patience
    progress: Progress
    started: float
    before: int  # bytes of the part when it was started

    def require_speed(self) -> None:
        """Raise LabError when the file takes longer than `patience` allows for the bytes that have come."""
        seconds, came = time.monotonic() - self.started, max(0, _size(self.part) - self.before)
        if seconds > self.patience.grace + came / self.patience.slowest:
            raise LabError(f"{self.url}: only {came} bytes came in {seconds:.0f} s{_advice(self.part)}")


def download(
    url: str,
    target: Path,
    checksum: str,
    patience: Patience = DEFAULT,
    progress: Progress | None = None,
    size: int | None = None,
) -> Path:
    """Download `url` to `target`, resuming `<target>.part`, and return `target`.

    `checksum` is the SHA-256 of the file in hex, `size` its bytes where they are known: more is never written. Raises
    LabError naming the URL: at once for an address that is not there or not http(s), also where the server redirects to
    it; after `patience` for stalls, broken connections, slow servers, server errors and wrong content; and with the
    path for a disk that is full or read-only. A part is kept for the next call unless its content was wrong.
    """
    require_address(url, url)
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        silent: Progress = lambda here: None  # noqa: E731
        job = _Job(url, part, size or MOST, patience, progress or silent, time.monotonic(), _size(part))
        _until_verified(job, checksum)
        part.replace(target)
    except OSError as error:
        raise LabError(f"{target}: cannot write: {error.strerror or error}") from error
    return target


def _until_verified(job: _Job, checksum: str) -> None:
    """Try until the part has the checksum, or until `patience.attempts` tries in a row brought nothing new."""
    failures, best = 0, _size(job.part)
    while True:
        try:
            _receive(job)
            return _verify(job.part, checksum)
        except _Retry as problem:
            gained, best = _size(job.part) > best, max(best, _size(job.part))
            failures = 1 if gained else failures + 1
            if failures >= job.patience.attempts:
                raise LabError(f"{job.url}: {problem}, after {failures} tries{_advice(job.part)}") from None
            job.require_speed()
            time.sleep(job.patience.pause * 2 ** (failures - 1))


def _receive(job: _Job) -> None:
    """Append the rest of the file to the part, or restart if the server sends it from the beginning."""
    have = _size(job.part)
    if have > job.most:
        job.part.unlink()
        have = 0
    answer = _open(job.url, have, job.patience.stall)
    if answer is None:
        return
    with answer:
        if answer.status == 206 and _range_start(answer) != have:
            job.part.unlink(missing_ok=True)
            raise _Retry("the server sent another range than the one asked for")
        _append(answer, job, have if answer.status == 206 else 0)


def _open(url: str, have: int, stall: float) -> Any:
    """Request the bytes from `have` on; None if there are no more (the part is complete, or too long)."""
    headers = {"User-Agent": "lab_lib", "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        return open_web(url, headers, stall)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:
            return None
        if error.code >= 500 or error.code in TRANSIENT:
            raise _Retry(f"the server answered {error.code}") from None
        reason = http.client.responses.get(error.code, "refused")
        raise LabError(f"{url}: the server answered {error.code} ({reason}); is the address right?") from None
    except urllib.error.URLError as error:
        raise _Retry(f"no connection ({error.reason})") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Retry(f"no connection ({error or type(error).__name__})") from None


def _append(answer: Any, job: _Job, have: int) -> None:
    """Write the body behind the first `have` bytes of the part. Raises _Retry when it ends before its length."""
    length = _length(answer)
    expected = None if length is None else have + length
    with open(job.part, "r+b" if have else "wb") as stream:
        if have:
            stream.truncate(have)
            stream.seek(have)
        job.progress(have)
        have = _write_body(answer, stream, job, have)
    if have > job.most:
        job.part.unlink()
        raise _Retry(f"more than the {job.most} bytes came that the file has")
    if expected is not None and have < expected:
        raise _Retry(f"only {have} of {expected} bytes came")


def _write_body(answer: Any, stream: IO[bytes], job: _Job, have: int) -> int:
    """Write what comes, up to one byte more than the file has at most; return the bytes that are here then."""
    while block := _read(answer, min(BLOCK, job.most + 1 - have)):
        stream.write(block)
        stream.flush()
        have += len(block)
        job.progress(have)
        if have > job.most:
            break
        job.require_speed()
    return have


def _length(answer: Any) -> int | None:
    """Return the Content-Length of an answer, None without one. Raises _Retry for what is no number of bytes."""
    text = answer.headers.get("Content-Length")
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", text.strip()):
        raise _Retry(f"the server says Content-Length: {text!r:.40}")
    return int(text)


def _read(answer: Any, most: int) -> bytes:
    """Read what has come, `most` bytes of it. `read` would wait for a whole block and lose it when the server stalls.

    Errors of the network are told apart here from errors of the disk, which are OSErrors too.
    """
    try:
        return answer.read1(most)
    except (OSError, http.client.HTTPException) as error:
        raise _Retry(f"connection lost ({error or type(error).__name__})") from None


def _verify(part: Path, checksum: str) -> None:
    """Return if the part is the expected file; else discard it and request another try."""
    found = sha256(part)
    if found != checksum:
        part.unlink()
        raise _Retry(f"wrong content (SHA-256 {found[:12]}..., expected {checksum[:12]}...)")


def _range_start(answer: Any) -> int | None:
    """Return where a 206 answer begins: 100 for `Content-Range: bytes 100-199/200`; None if it does not say."""
    start = re.match("bytes ([0-9]{1,18})-", answer.headers.get("Content-Range", ""))
    return int(start[1]) if start else None


def _size(path: Path) -> int:
    """Return the bytes of a file, 0 if it is not there."""
    return path.stat().st_size if path.exists() else 0


def _advice(part: Path) -> str:
    """Return advice for the user."""
    if part.exists():
        return f"; {_size(part)} bytes are kept and the same command resumes from there"
    return "; try again later, or another --mirror"
