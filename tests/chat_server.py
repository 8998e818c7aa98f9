"""A loopback server that speaks the chat interface, or misbehaves: one behaviour a request, in the order given."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[dict[str, Any]], Any]  # from what was asked to what the model "writes", a text or a value for JSON
HTML = b"<html><body>Sign in to the Wi-Fi</body></html>"


class ChatServer:
    """Answers POST /v1/chat/completions by `reply`; `faults` is a queue of what goes wrong first.

    Faults: "html" (a web page with status 200), "rubbish" (no JSON), "shape" (JSON of another shape), "half" (the line
    breaks in the middle), "silence" (no answer), "endless" (spaces without end), "length" and "refusal" (how the model
    ended), "echo" (repeats the key), a number (that status) or "NUMBER NAME: VALUE" (with a header).
    `asked` holds (headers, body) of every request.
    """

    def __init__(self, reply: Reply) -> None:
        self.reply, self.faults, self.asked = reply, deque[str](), list[tuple[dict[str, str], dict[str, Any]]]()
        self.quit = threading.Event()

    def __enter__(self) -> ChatServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((dict(self.headers), body))
                with suppress(OSError):
                    outer.answer(self, body, outer.faults.popleft() if outer.faults else "")

            def log_message(self, *arguments: object) -> None:
                """Keep the test output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.quit.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any], fault: str) -> None:
        """Send one answer with its fault."""
        status, _, header = fault.partition(" ") if fault[:1].isdigit() else ("200", "", "")
        if fault == "silence":
            self.quit.wait(5)
            return
        if status != "200":
            key = handler.headers.get("Authorization", "")
            data = json.dumps({"error": {"message": f"no, not with {key}", "code": int(status)}}).encode()
        elif handler.path != "/v1/chat/completions":
            return handler.send_error(404)
        else:
            data = self.body(body, fault, handler)
        handler.send_response(int(status))
        name, _, value = header.partition(": ")
        for one, what in ((name, value), ("Content-Length", str(len(data) * (10**6 if fault == "endless" else 1)))):
            if one:
                handler.send_header(one, what)
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2] if fault == "half" else data)
        while fault == "endless" and not self.quit.is_set():
            handler.wfile.write(b" " * 10**6)

    def body(self, body: dict[str, Any], fault: str, handler: BaseHTTPRequestHandler) -> bytes:
        """Return the bytes of an answer with status 200."""
        if fault in ("html", "rubbish", "shape"):
            return {"html": HTML, "rubbish": b"}{ \xff", "shape": b'{"choices": []}'}[fault]
        said = handler.headers.get("Authorization") if fault == "echo" else self.reply(body)
        content = said if isinstance(said, str) else json.dumps(said)
        message = {"role": "assistant", "content": content}
        if fault == "refusal":
            message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
        choice = {"index": 0, "message": message, "finish_reason": "length" if fault == "length" else "stop"}
        usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
        return json.dumps({"model": "toy-1", "choices": [choice], "usage": usage}).encode()
