"""Checks before every route: the caller, the size of the body, its content type; adds a request id."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from lab_lib.chat.web import HEADERS
from lab_lib.errors import one_line
from lab_lib.serve.http.problems import Refusal, problem
from lab_lib.strict_json import JsonError, parse_json

MOST_WAITING = 12  # requests at once; a model of a laptop needs two seconds for one, and nobody waits for minutes
AGAIN = 5  # seconds until a refused caller should ask again
LONGEST = 1 << 18  # bytes of a JSON body: 128 tools with their texts
LONGEST_AUDIO = 10 << 20  # bytes of a recording: ten minutes as a browser compresses it
AUDIO = ("audio/", "video/webm", "application/octet-stream")  # content types of a recording
LOG = logging.getLogger("lab.serve")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Guard:
    """ASGI middleware. `hosts` are the names by which the server may be called; none: by any.

    A request of another web page (another Origin) is refused: a page that a person visits must not use the model.
    Bodies are read whole before a route sees them. While MOST_WAITING requests with a body are open, others are refused
    at once. What a route fails with is logged with the request's id, and the caller gets the id alone.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], hosts: frozenset[str]) -> None:
        self.app, self.hosts = app, hosts
        self.waiting = 0  # changed between two awaits of one thread only

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name, begun = uuid.uuid4().hex, False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                more = {"X-Request-Id": name, **HEADERS}
                message["headers"] = [*message.get("headers", []), *((k.encode(), v.encode()) for k, v in more.items())]
            await send(message)

        try:
            body = await self._body(scope, receive)
            with self._place_in_queue(body):
                await self.app(scope, _again(body, receive), answer)
        except Refusal as refusal:
            await _send(answer, refusal.status, problem(refusal.status, str(refusal), refusal.param))
        except Exception:
            LOG.exception("request %s: %s %s", name, scope["method"], one_line(scope["path"]))
            if not begun:
                await _send(answer, 500, problem(500, f"an error of the server; its log has the request id {name}"))

    @contextmanager
    def _place_in_queue(self, body: bytes) -> Iterator[None]:
        """Count a request with a body for as long as it is answered. Raises Refusal where too many others are."""
        if body and self.waiting >= MOST_WAITING:
            raise Refusal(503, f"{self.waiting} requests are waiting already; ask again in {AGAIN} seconds")
        self.waiting += bool(body)
        try:
            yield
        finally:
            self.waiting -= bool(body)

    async def _body(self, scope: Message, receive: Receive) -> bytes:
        """Return the body of a request that may be answered. Raises Refusal for others."""
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        self._check_asker(headers)
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return b""
        audio = scope["path"].endswith("/transcribe")
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        body = await _read(headers, receive, LONGEST_AUDIO if audio else LONGEST)
        if audio:
            if not kind.startswith(AUDIO):
                raise Refusal(415, "expected a recording: a content type that begins with audio/")
        else:
            _check_json(kind, body)
        return body

    def _check_asker(self, headers: Mapping[str, str]) -> None:
        host = headers.get("host", "")
        if self.hosts and host not in self.hosts:
            raise Refusal(403, "this server accepts requests only at its own address")
        if headers.get("origin", f"http://{host}") != f"http://{host}":
            raise Refusal(403, "this request came from another page")


async def _read(headers: Mapping[str, str], receive: Receive, most: int) -> bytes:
    """Return a body. Raises Refusal as soon as it is longer than `most` bytes, whatever its length was said to be."""
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(length) > 12 or int(length) > most:
        raise Refusal(413, f"a body has at most {most} bytes")
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > most:
            raise Refusal(413, f"a body has at most {most} bytes")
        if not message.get("more_body", False):
            return bytes(body)


def _check_json(kind: str, body: bytes) -> None:
    if kind != "application/json":
        raise Refusal(415, "expected the content type application/json")
    try:
        parse_json(body.decode())
    except JsonError as error:
        raise Refusal(400, f"not JSON: {one_line(str(error))}") from None
    except UnicodeDecodeError:
        raise Refusal(400, "not JSON: not UTF-8") from None


def _again(body: bytes, receive: Receive) -> Receive:
    """Return how a route receives a body that was read, and then what else comes (that the caller left)."""
    sent = False

    async def once() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


async def _send(send: Send, status: int, body: Mapping[str, Any]) -> None:
    text = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
    if status == 503:
        headers.append((b"retry-after", str(AGAIN).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
