"""A conversation in one page of the browser, served on this machine alone.

Other web pages of the same browser must not use the model, nor read the conversation: the address has a secret, a
request has to name this server as its host (a name that a stranger's DNS points here does not), and one that changes
something has to be JSON from the page itself, which browsers let no other page send.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from rich.console import Console

from lab_lib.chat.chat import opening
from lab_lib.chat.session import Session
from lab_lib.errors import LabError
from lab_lib.strict_json import JsonError, parse_json
from lab_lib.texts import is_blank

HOST = "127.0.0.1"
LONGEST = 1 << 16  # bytes of a request
KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
PAGE = {name.replace("chat.html", ""): name for name in ("chat.html", "chat.css", "chat.js", "choices.js")}
HEADERS = {
    # Nothing but the files beside the page, so even a hole in the page would run nothing of a model's.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Refusal(Exception):
    """A request that is not answered: the status and one line."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


class Ending(Exception):
    """The server ends while the model writes."""


class ChatServer(ThreadingHTTPServer):
    """One conversation and one model, protected by one lock."""

    daemon_threads = True

    def __init__(self, session: Session, port: int) -> None:
        """Listen. Raises LabError for a port that is taken."""
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            raise LabError(f"--port {port}: {error.strerror}; choose another, or leave it out for a free one") from None
        self.session, self.secret = session, secrets.token_urlsafe(24)
        self.lock, self.ending = threading.Lock(), threading.Event()

    @property
    def hosts(self) -> tuple[str, str]:
        """How a browser may call this server; `localhost` is what tunnels are opened with."""
        return f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{self.hosts[0]}/{self.secret}/"

    @contextmanager
    def alone(self) -> Iterator[Session]:
        """Hold the model. Raises Refusal while another request does."""
        if not self.lock.acquire(blocking=False):
            raise Refusal(409, "the model is writing another answer; wait for its end, or stop it")
        try:
            yield self.session
        finally:
            self.lock.release()

    def end(self) -> None:
        """Stop the answer that is being written, and listen no longer."""
        self.ending.set()
        self.lock.acquire(timeout=10)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers the page: GET for its files and the conversation so far, POST to say something or begin again."""

    server: ChatServer
    timeout = 60  # seconds without a byte
    server_version, sys_version = "lab", ""

    def do_GET(self) -> None:
        """Send a file of the page, or the conversation."""
        with self._refusing():
            name = self._path()
            if name == "history":
                self._send(history(self.server.session))
            elif name in PAGE:
                self._start(200, f"{KINDS[PAGE[name].rpartition('.')[2]]}; charset=utf-8")
                self.wfile.write(files("lab_lib.chat").joinpath("assets", PAGE[name]).read_bytes())
            else:
                raise Refusal(404, "no such page")

    def do_POST(self) -> None:
        """Say something and stream the answer; choose how replies shall be; or begin a new conversation."""
        with self._refusing():
            name = self._path()
            asked = self._body()
            if name in ("say", "each"):
                self._say(asked.get("text"), name == "each")
            elif name == "choose":
                self._choose(asked.get("choice"))
            elif name == "reset":
                with self.server.alone() as session:
                    session.reset()
                self._send(history(self.server.session))
            else:
                raise Refusal(404, "no such page")

    def _say(self, text: Any, each: bool) -> None:
        """Stream {"reply": so far} and at the end {"answer": all of it}, or {"error": one line}.

        With `each` there is such an answer with every choice: {"choice": its name, "answer": ...}.
        """
        if not isinstance(text, str) or is_blank(text):
            raise Refusal(400, "text: expected what the user says")
        with self.server.alone() as session:
            self._start(200, "application/x-ndjson")
            try:
                if not each:
                    self._line({"answer": session.answer(text, self._more).as_json()})
                    return
                with closing(session.each(text, self._more)) as answers:  # a reader who leaves changes no choice
                    for choice, answer in answers:
                        self._line({"choice": choice, "answer": answer.as_json()})
            except LabError as error:  # of this message; the conversation is as it was before
                self._line({"error": str(error)})

    def _choose(self, choice: Any) -> None:
        """Let the replies to come be as is chosen, and send what is chosen now."""
        with self.server.alone() as session:
            if choice not in session.task.choices:
                raise Refusal(400, f"choice: expected one of: {', '.join(session.task.choices) or '(there are none)'}")
            session.task.choose(choice)
            self._send({"chosen": session.task.chosen})

    def _more(self, reply: str) -> None:
        if self.server.ending.is_set():
            raise Ending
        self._line({"reply": reply})

    def _line(self, value: Mapping[str, Any]) -> None:
        self.wfile.write(json.dumps(value).encode() + b"\n")

    def _path(self) -> str:
        """Return which part of the server is asked for. Raises Refusal for strangers."""
        if self.headers.get("Host") not in self.server.hosts:
            raise Refusal(403, "this server answers to its own address only")
        secret, slash, name = self.path[1:].partition("/")
        if not slash or not secrets.compare_digest(secret.encode(), self.server.secret.encode()):
            raise Refusal(403, "the address lacks its secret: open the one that `lab chat --web` printed")
        return name

    def _body(self) -> dict[str, Any]:
        """Return the JSON object of a request. Raises Refusal for another value, and for a request of another page."""
        if self.headers.get("Origin", f"http://{self.headers['Host']}") != f"http://{self.headers['Host']}":
            raise Refusal(403, "this request came from another page")
        if self.headers.get_content_type() != "application/json":
            raise Refusal(415, "expected application/json")
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise Refusal(411, "expected a Content-Length")
        if len(length) > 9 or int(length) > LONGEST:
            raise Refusal(413, f"a message has at most {LONGEST} bytes")
        try:
            value = parse_json(self.rfile.read(int(length)).decode())
        except (JsonError, UnicodeDecodeError):
            raise Refusal(400, "expected JSON") from None
        if not isinstance(value, dict):
            raise Refusal(400, "expected a JSON object")
        return value

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Answer a refusal with its line. A reader who left, or the server's end, ends the answer and the request."""
        try:
            yield
        except Refusal as refusal:
            self._send({"error": str(refusal)}, refusal.status)
        except (OSError, Ending):
            self.close_connection = True

    def _send(self, value: Mapping[str, Any], status: int = 200) -> None:
        self._start(status, "application/json")
        self._line(value)

    def _start(self, status: int, kind: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: paths hold the secret."""


def history(session: Session) -> dict[str, Any]:
    """Return what the page shows when it opens: whose model it is, the notes, and all that was said."""
    turns = [{"user": user, "answer": answer.as_json()} for user, answer in session.turns]
    return {
        "name": session.partner.name, "notes": opening(session)[:-1], "turns": turns, "state": session.state,
        "choices": list(session.task.choices), "chosen": session.task.chosen,
    }  # fmt: skip


def serve(session: Session, port: int, console: Console) -> None:
    """Serve the page until Ctrl-C. Raises LabError for a port that is taken."""
    server = ChatServer(session, port)
    console.print(f"open {server.address} in a browser of this machine; Ctrl-C ends", soft_wrap=True, highlight=False)
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        console.print("ended; the conversation is not kept")
    finally:
        server.end()
