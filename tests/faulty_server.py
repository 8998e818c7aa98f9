"""A loopback web server that serves bytes and misbehaves on demand, one fault a request, in the order given."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FaultyServer:
    """Serves `files` {path: bytes} with Range; `faults[path]` is a queue of what goes wrong first.

    Faults: "truncate" (half the body, then the connection closes), "corrupt" (one byte flipped), "stall" (half the
    body, then silence), "503", "404", "no range" (answers 200 from the start), "wrong range" (answers 206 from 0).
    "endless" (a body without end, of no length), "drip" (a byte every 20 ms), "one byte" (and the connection closes),
    "416", "slow head" (a letter of a header every 20 ms, without end), "to URL" (a redirect whose body does not end),
    "NAME: VALUE" (another header instead of the right one).
    `requests` keeps (path, Range header) of every request.
    """

    def __init__(self, files: dict[str, bytes], port: int = 0) -> None:
        self.files, self.faults = files, defaultdict(deque)
        self.requests: list[tuple[str, str | None]] = []
        self.quit = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.port = self.server.server_address[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Stop serving and free the port."""
        self.quit.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                outer.requests.append((self.path, wanted))
                queue = outer.faults[self.path]
                outer.answer(self, wanted, queue.popleft() if queue else "")

            def log_message(self, *arguments: object) -> None:
                """Keep the test output clean."""

        return Handler

    def answer(self, handler: BaseHTTPRequestHandler, wanted: str | None, fault: str) -> None:
        """Send one answer with its fault."""
        body = self.files.get(handler.path)
        if body is None or fault.isdigit():
            return handler.send_error(int(fault or 404))
        if fault.startswith("to "):
            handler.send_response(302)
            handler.send_header("Location", fault.removeprefix("to "))
            handler.end_headers()
            return self._without_end(handler, b"x" * 1000, 0.0)
        if fault == "slow head":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            return self._without_end(handler, b"x", 0.02)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and fault != "no range" else 0
        if start >= len(body) > 0:
            return handler.send_error(416)
        first = 0 if fault == "wrong range" else start
        rest = body[first:]
        handler.send_response(206 if wanted and fault != "no range" else 200)
        headers = {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}", "Content-Length": str(len(rest))}
        if ": " in fault:
            headers |= dict([fault.split(": ")])
        for name, value in headers.items():
            if (fault, name) != ("endless", "Content-Length"):
                handler.send_header(name, value)
        handler.end_headers()
        if fault in ("endless", "drip"):
            return self._without_end(
                handler, rest if fault == "endless" else rest[:1], 0 if fault == "endless" else 0.02
            )
        if fault == "corrupt":
            rest = rest[:-1] + bytes([rest[-1] ^ 1])
        shown = {"truncate": len(rest) // 2, "stall": len(rest) // 2, "one byte": 1}.get(fault, len(rest))
        handler.wfile.write(rest[:shown])
        if fault == "stall":
            handler.wfile.flush()
            self.quit.wait(5)  # longer than any client of the tests waits

    def _without_end(self, handler: BaseHTTPRequestHandler, block: bytes, pause: float) -> None:
        """Send a block again and again until the client has enough."""
        with suppress(OSError):
            while not self.quit.wait(pause):
                handler.wfile.write(block)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.server_close()
    return server.server_address[1]


def start_later(files: dict[str, bytes], port: int, seconds: float) -> list[FaultyServer]:
    """Start a server after a while, in a thread; it is in the returned list once it runs."""
    started: list[FaultyServer] = []

    def run() -> None:
        time.sleep(seconds)
        started.append(FaultyServer(files, port))

    threading.Thread(target=run, daemon=True).start()
    return started
