"""The page's server: answers streamed and kept, and nothing for anybody but the page itself."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console
from scripted_chat import ScriptedSession

from lab_lib.chat import web
from lab_lib.chat.web import LONGEST, ChatServer
from lab_lib.errors import LabError

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server() -> Iterator[ChatServer]:
    made = ChatServer(ScriptedSession(), 0)
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield made
    made.shutdown()
    made.end()


def ask(server: ChatServer, path: str, body: Any = None, **headers: str) -> tuple[int, list[Any], dict[str, str]]:
    """Return (status, the values of the lines, headers) of the answer to a request that the page could make."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    path = path if path.startswith("/") else f"/{server.secret}/{path}"
    connection.request("GET" if body is None else "POST", path, data, {**(JSON if body is not None else {}), **names})
    answer = connection.getresponse()
    text = answer.read().decode()
    values = [json.loads(line) for line in text.splitlines()] if "json" in answer.headers["Content-Type"] else [text]
    return answer.status, values, dict(answer.headers)


def test_an_answer_is_streamed_and_kept_until_the_conversation_begins_again(server):
    status, lines, _ = ask(server, "say", {"text": "a cheap hotel"}, Origin=f"http://127.0.0.1:{server.server_port}")
    *parts, last = lines
    assert status == 200 and [part["reply"] for part in parts][-1] == "try [name] ." and len(parts) > 2
    assert last["answer"]["filled"] == "try harbour inn ." and last["answer"]["state"]["hotel"]["pricerange"] == "cheap"
    ((known,),) = [ask(server, "history")[1]]
    assert known["turns"] == [{"user": "a cheap hotel", "answer": last["answer"]}] and known["state"]
    assert ask(server, "reset", {})[1][0]["turns"] == [] == ask(server, "history")[1][0]["turns"]


def test_a_choice_is_kept_and_every_choice_has_its_reply(server):
    server.session = ScriptedSession.with_choices()
    assert ask(server, "history")[1][0]["choices"] == ["calm", "angry"]
    assert ask(server, "choose", {"choice": "angry"})[1] == [{"chosen": "angry"}]
    status, (refused,), _ = ask(server, "choose", {"choice": ["calm"]})
    assert status == 400 and refused == {"error": "choice: expected one of: calm, angry"}
    rows = [line for line in ask(server, "each", {"text": "hello"})[1] if "choice" in line]
    assert [row["choice"] for row in rows] == ["calm", "angry"] and not server.session.turns
    assert rows[0]["answer"]["facts"][1] == {"name": "judge one", "text": "calm (90%)", "right": True}
    assert server.session.task.chosen == "angry"


def test_an_error_of_the_model_is_a_line_and_the_conversation_goes_on(server):
    assert ask(server, "say", {"text": "error"})[1] == [{"error": "out of memory: begin a new conversation"}]
    assert ask(server, "say", {"text": "hello"})[1][-1]["answer"]["reply"]


def test_the_page_may_load_its_own_files_alone(server):
    script = "text/javascript"
    for name, kind in {"": "text/html", "chat.css": "text/css", "chat.js": script, "choices.js": script}.items():
        status, _, headers = ask(server, name)
        assert status == 200 and headers["Content-Type"].startswith(kind)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ") and "unsafe" not in policy
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/", None, {}, 403),
        ("/wrong/history", None, {}, 403),
        ("history", None, {"Host": "evil.example:80"}, 403),  # a name whose DNS was turned to this machine
        ("say", {"text": "hi"}, {"Origin": "http://evil.example"}, 403),
        ("say", {"text": "hi"}, {"Origin": "null"}, 403),
        ("say", {"text": "hi"}, {"Content-Type": "text/plain"}, 415),  # what a form of another page can send
        ("say", b"x", {"Content-Length": "-1"}, 411),
        ("say", b"x", {"Content-Length": str(LONGEST + 1)}, 413),
        ("say", b"x", {"Content-Length": "9" * 5000}, 413),
        ("say", b"{", {}, 400),
        ("say", b'{"text": "\\ud800"}', {}, 400),
        ("say", [], {}, 400),
        ("say", {"text": 3}, {}, 400),
        ("say", {"text": " "}, {}, 400),
        ("elsewhere", None, {}, 404),
        ("../history", {}, {}, 404),
    ],
)
def test_what_is_refused(server, path, body, headers, status):
    found, lines, _ = ask(server, path, body, **headers)
    assert found == status and list(lines[0]) == ["error"] and not server.session.turns


def test_one_answer_at_a_time_and_a_reader_who_leaves_ends_it(server):
    reader = http.client.HTTPConnection("127.0.0.1", server.server_port)
    reader.request("POST", f"/{server.secret}/say", b'{"text": "endless"}', JSON)
    answer = reader.getresponse()
    answer.readline()
    for path, body in {"say": {"text": "hi"}, "reset": {}}.items():
        status, (line,), _ = ask(server, path, body)
        assert status == 409 and "the model is writing another answer" in line["error"]
    answer.close()
    reader.close()
    with server_free(server):
        assert server.session.turns == []


def server_free(server: ChatServer) -> Any:
    """Wait until the model is free, and hold it."""
    deadline = time.monotonic() + 20
    while server.lock.locked() and time.monotonic() < deadline:
        time.sleep(0.02)
    return server.alone()


def test_ctrl_c_ends_the_server_and_the_answer_that_is_written(monkeypatch):
    console, made = Console(record=True, width=200), list[ChatServer]()

    def interrupted(server: ChatServer, poll_interval: float) -> None:
        made.append(server)
        threading.Thread(target=ChatServer.serve_forever, args=(server, 0.02), daemon=True).start()
        reader = http.client.HTTPConnection("127.0.0.1", server.server_port)
        reader.request("POST", f"/{server.secret}/say", b'{"text": "endless"}', JSON)
        reader.getresponse().readline()
        raise KeyboardInterrupt

    class Interrupted(ChatServer):
        serve_forever = interrupted

    monkeypatch.setattr(web, "ChatServer", Interrupted)
    begun = time.monotonic()
    web.serve(ScriptedSession(), 0, console)
    assert time.monotonic() - begun < 8 and made[0].session.turns == []
    assert "open http://127.0.0.1:" in console.export_text()


def test_a_port_that_is_taken_is_one_line(server):
    with pytest.raises(LabError, match=rf"--port {server.server_port}: Address already in use; choose another"):
        ChatServer(ScriptedSession(), server.server_port)
