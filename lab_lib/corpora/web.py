"""Requests to an untrusted web server: only http and https, with limits on everything that it may send.

The standard library follows redirects to ftp, reads the whole body of a redirect, and waits for the head of an answer
as long as a byte arrives now and then.
"""

from __future__ import annotations

import http.client
import io
import time
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from lab_lib.errors import LabError

SCHEMES = ("http", "https")
HEADS = 4  # times the seconds of one wait that the head of an answer may take in all


def open_web(url: str, headers: dict[str, str], stall: float) -> Any:
    """Return the answer to a request; no wait is longer than `stall` seconds.

    Raises LabError for an address that is not of the web, here or where the server redirects to; else as
    `urllib.request.urlopen`: HTTPError, OSError, http.client.HTTPException.
    """
    require_address(url, url)
    opener = urllib.request.build_opener(_WebOnly(url), _Http, _Https)
    try:
        return opener.open(urllib.request.Request(url, headers=headers), timeout=stall)
    except (ValueError, http.client.InvalidURL) as error:  # what only the library finds wrong with an address
        raise LabError(f"{url}: not a possible address, or it leads to none ({error!s:.200})") from None


def require_address(address: str, url: str) -> None:
    """Raise LabError unless `url`, or the address that it redirects to, is a web address."""
    leads = "" if address == url else f"the server redirects to {address!r:.200}, "
    try:
        parts = urlsplit(address)
        fits = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no closing bracket, a port that is no number
        fits = False
    if not fits:
        raise LabError(f"{url}: {leads}expected an http or https address")


def read_web(url: str, most: int, seconds: float) -> bytes:
    """Return what is at an address, at most `most` bytes. Raises LabError for everything that goes wrong.

    `seconds` is for each wait and for the whole.
    """
    until, found = time.monotonic() + seconds, b""
    try:
        with open_web(url, {"User-Agent": "lab_lib"}, seconds) as answer:
            while block := answer.read1(most + 1 - len(found)):
                found += block
                if len(found) > most:
                    raise LabError(f"{url}: more than {most} bytes; is the address right?")
                if time.monotonic() > until:
                    raise LabError(f"{url}: only {len(found)} bytes came in {seconds:.0f} s")
    except (OSError, http.client.HTTPException) as error:
        raise LabError(f"{url}: {error or type(error).__name__}") from None
    return found


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https alone."""

    def __init__(self, url: str) -> None:
        self.url = url

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Return the request for where an answer leads to. Raises LabError for another kind of address."""
        fp.close()  # its body would be read to the end, which need not come
        require_address(newurl, self.url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Watched(io.RawIOBase):
    """The bytes of a connection, with a time limit for reading; None: no limit."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self.raw, self.until = raw, None

    until: float | None

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what has come. Raises TimeoutError behind the time."""
        if self.until is not None and time.monotonic() > self.until:
            raise TimeoutError("the head of the answer does not end")
        return self.raw.readinto(buffer)  # type: ignore[attr-defined,no-any-return]

    def close(self) -> None:
        """Close the connection's side too."""
        self.raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer whose head has to come in a bounded time."""

    def __init__(self, sock: Any, *settings: Any, **more: Any) -> None:
        super().__init__(sock, *settings, **more)
        self.watched, self.stall = _Watched(self.fp.detach()), sock.gettimeout()  # type: ignore[union-attr]
        self.fp = io.BufferedReader(self.watched)

    def begin(self) -> None:
        """Read the head."""
        self.watched.until = time.monotonic() + HEADS * self.stall if self.stall else None
        super().begin()
        self.watched.until = None


class _Connection(http.client.HTTPConnection):
    response_class = _Answer


class _SecureConnection(http.client.HTTPSConnection):
    response_class = _Answer


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: Any) -> Any:
        """Open a plain connection."""
        return self.do_open(_Connection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: Any) -> Any:
        """Open a secure connection, which the default context checks."""
        return self.do_open(_SecureConnection, req)
