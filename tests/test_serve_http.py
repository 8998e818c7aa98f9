"""The server: OpenAI's own client works against it, nothing else gets in, and no bytes make it fail."""

from __future__ import annotations

import json
import socket
import threading
import time
import wave
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from scripted_skills import ScriptedModel, scripted

fastapi = pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
import httpx  # noqa: E402
import pydantic  # noqa: E402
import schemathesis  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402
from loopback import Served  # noqa: E402
from schemathesis import checks  # noqa: E402
from schemathesis.specs.openapi import checks as openapi_checks  # noqa: E402

from lab_lib.calls.skills.load import load_skills  # noqa: E402
from lab_lib.calls.skills.skill import tool  # noqa: E402
from lab_lib.serve import assistant as room  # noqa: E402
from lab_lib.serve import run_model  # noqa: E402
from lab_lib.serve.http import speech  # noqa: E402
from lab_lib.serve.http.app import assistant_routers, make_app  # noqa: E402
from lab_lib.serve.http.guard import LONGEST, LONGEST_AUDIO, MOST_WAITING  # noqa: E402

KEY = "the-key"
MODEL = "runs/home"
HOME = [tool(skill) for skill in load_skills(["home"]).values()]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with Served(make_app(assistant_routers(scripted(), KEY))) as made:
        yield made


@pytest.fixture(scope="module")
def client(served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", timeout=20, trust_env=False) as made:
        yield made


@pytest.fixture(scope="module")
def official(served) -> Any:
    openai = pytest.importorskip("openai", reason="OpenAI's client is a package for development")
    return openai.OpenAI(base_url=f"http://127.0.0.1:{served.port}/v1", api_key="any", max_retries=0)


@pytest.fixture
def silence(tmp_path) -> Path:
    """A second of nothing; the extra `speech` reads it without its model."""
    pytest.importorskip("av", reason="the extra `speech` is not installed")
    with wave.open(str(tmp_path / "silence.wav"), "wb") as made:
        made.setparams((1, 2, 16000, 0, "NONE", ""))
        made.writeframes(bytes(32000))
    return tmp_path / "silence.wav"


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}


# ---- OpenAI's interface ------------------------------------------------------------------------------------------
def test_the_official_client_gets_calls_for_the_tools_it_gives(official):
    assert [model.id for model in official.models.list()] == [MODEL]
    made = official.chat.completions.create(**said("what is the weather in Berlin", tools=HOME))
    (choice,) = made.choices
    (call,) = choice.message.tool_calls
    assert (choice.finish_reason, choice.message.content, call.type) == ("tool_calls", None, "function")
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"location": "Berlin"})
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens > 0
    assert made.lab["answers"][0]["runner_up"]["probability"] < made.lab["answers"][0]["probability"]


def test_two_requests_are_two_calls_and_an_agent_hears_what_its_tools_said(official):
    text = "set a timer for 5 minutes and then play jazz"
    calls = official.chat.completions.create(**said(text)).choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["set_timer", "play_music"]
    one = official.chat.completions.create(**said(text, parallel_tool_calls=False))
    assert len(one.choices[0].message.tool_calls) == 1 and "1 more calls were left out" in one.lab["notes"][0]
    results = [{"role": "tool", "tool_call_id": call.id, "content": f"did {call.function.name}"} for call in calls]
    turn = {"role": "assistant", "content": None, "tool_calls": [call.model_dump() for call in calls]}
    history = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": text}, turn, *results]
    made = official.chat.completions.create(model=MODEL, messages=history)
    assert made.choices[0].message.content == "did set_timer\ndid play_music"
    made = official.chat.completions.create(model=MODEL, messages=[*history, {"role": "user", "content": "play jazz"}])
    assert made.choices[0].message.tool_calls and "5 earlier messages were not read" in made.lab["notes"][0]


@pytest.mark.parametrize("text", ["play jazz", "good morning", "set a timer for 5 minutes and then play jazz"])
def test_a_stream_says_what_the_whole_answer_says(official, text):
    whole = official.chat.completions.create(**said(text)).choices[0]
    with official.chat.completions.stream(**said(text), stream_options={"include_usage": True}) as events:
        final = events.get_final_completion()
    (choice,) = final.choices
    assert choice.finish_reason == whole.finish_reason and final.usage is not None
    assert choice.message.content == whole.message.content
    assert [(c.function.name, c.function.arguments) for c in choice.message.tool_calls or []] == [
        (c.function.name, c.function.arguments) for c in whole.message.tool_calls or []
    ]


def test_words_stand_where_there_is_no_call(official):
    for text, content in {
        "good morning": "Nothing was asked of me that I can do.",
        "set a timer": "What should 'minutes' of set_timer be? (1 to 1440)",
        "weather please": "What should 'location' of weather be?",
        "rubbish": "Refused: a value is a name without quotes: Berlin",
        "light in the kitchen and the bedroom": "This sounds like two requests to set_light; ask for one at a time.",
    }.items():
        choice = official.chat.completions.create(**said(text)).choices[0]
        assert (choice.message.content, choice.message.tool_calls, choice.finish_reason) == (content, None, "stop")
    for asked in (said("too much"), said("play jazz", max_tokens=2)):
        assert official.chat.completions.create(**asked).choices[0].finish_reason == "length"


def test_a_model_of_pydantic_is_a_tool_through_the_function_of_the_client(official):
    """All that its schema says beyond ours restricts nothing: titles, examples, `anyOf` with null, `$defs`."""
    openai = pytest.importorskip("openai")

    class Day(str, Enum):
        today, tomorrow = "today", "tomorrow"

    class weather(pydantic.BaseModel):  # the name of the tool
        """Say what the weather will be in a place."""

        location: str = pydantic.Field(description="The city.", examples=["Oslo"])
        day: Day | None = None
        hours: int | None = pydantic.Field(None, ge=1, le=24)

    made = openai.pydantic_function_tool(weather)
    assert made["function"]["parameters"]["$defs"] and made["function"]["strict"]
    answer = official.chat.completions.parse(**said("what is the weather in Berlin", tools=[made]))
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.parsed_arguments == weather(location="Berlin", day=None, hours=None)


def test_settings_that_ask_for_nothing_are_accepted(official):
    off = {"stop": None, "logprobs": False, "frequency_penalty": 0, "presence_penalty": 0.0, "store": False,
           "metadata": {}, "logit_bias": {}, "response_format": {"type": "text"}}  # fmt: skip
    assert official.chat.completions.create(**said("play jazz", **off)).choices[0].message.tool_calls


def test_the_model_is_found_by_its_name(official):
    import openai

    assert official.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-5'; here is 'runs/home'"):
        official.models.retrieve("gpt-5")


def test_a_tool_can_be_demanded(official):
    asked = said("play jazz", tools=HOME, tool_choice={"type": "function", "function": {"name": "play_music"}})
    assert official.chat.completions.create(**asked).choices[0].message.tool_calls
    asked = said("set a timer for 5 minutes", tools=HOME[1:2], tool_choice="required")
    assert official.chat.completions.create(**asked).choices[0].message.tool_calls[0].function.name == "set_timer"


REFUSED = {
    404: [said("hi", model="gpt-5")],
    422: [
        said("hi", n=2),
        said("hi", response_format={"type": "json_object"}),
        said("hi", tool_choice="none"),
        said("hi", tools=[]),
        said("hi", tools=[{"type": "function", "function": {"name": "f", "description": "F.", "parameters": {
            "type": "object", "properties": {"x": {"type": "object"}}}}}]),
        said("hi", tools=HOME, tool_choice={"type": "function", "function": {"name": "wether"}}),
        said(" "),
        said("\0\u202e"),
        said("x" * 2001),
        said("hi", temperature="hot"),
        {"model": MODEL, "messages": []},
        {"model": MODEL, "messages": [{"role": "assistant", "content": "hi"}]},
        {"model": MODEL, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
    ],
}  # fmt: skip


def a_tool(**function: Any) -> dict[str, Any]:
    return said("hi", tools=[{"type": "function", "function": {"name": "fly", "description": "Fly.", **function}}])


FAULTS: list[tuple[Any, str, str | None]] = [
    ([1], "the body should be an object, found [1]", ""),
    ({"model": MODEL}, "messages is missing", "messages"),
    (said("hi", stop=["."]), "stop is not supported, found ['.']", "stop"),
    (said("hi", store=True, metadata={"a": "b"}), "store is not supported, found True (and 1 more)", "store"),
    (said("hi", seeed=1), "seeed is not supported, found 1", "seeed"),
    (said("hi", tool_choice="foo"), "tool_choice should be 'auto', 'none' or 'required', found 'foo'", "tool_choice"),
    (said("hi", tool_choice={"type": "function"}), "tool_choice.function is missing", "tool_choice.function"),
    (said("hi", tools=HOME, tool_choice={"type": "function", "function": {"name": "wether"}}),
     "tool_choice: no tool 'wether'; did you mean 'weather'?", "tool_choice"),
    ({"model": MODEL, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
     "messages[0].content[0].type should be 'text', found 'image_url'", "messages[0].content[0].type"),
    (a_tool(parameters={"type": "object", "properties": {"to": {"type": "string"}}, "required": [[1]]}),
     "tools[0] 'fly': 'required' is [[1]], expected names of properties", "tools"),
    (a_tool(name="fly-away"), "tools[0]: name 'fly-away': expected ASCII letters, digits and single underscores; "
     "hyphens are not supported", "tools"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "line", "param"), FAULTS)
def test_a_fault_is_named_with_its_place(client, body, line, param):
    answer = client.post("/v1/chat/completions", json=body)
    assert (answer.status_code, answer.json()["error"]["message"], answer.json()["error"]["param"]) == (
        422,
        line,
        param,
    )


@pytest.mark.parametrize(("status", "body"), [(status, body) for status, many in REFUSED.items() for body in many])
def test_what_cannot_be_done_is_refused_in_one_line(client, status, body):
    answer = client.post("/v1/chat/completions", json=body)
    fault = answer.json()["error"]
    assert answer.status_code == status and answer.headers["X-Request-Id"]
    assert set(fault) == {"message", "type", "param", "code"} and "\n" not in fault["message"]
    assert 10 < len(fault["message"]) < 400


# ---- who may ask, and for what -----------------------------------------------------------------------------------
def test_calls_run_only_with_the_key_of_a_server_that_runs_them(client):
    asked = {"text": "play jazz", "run": True}
    assert client.post("/ask", json=asked).status_code == 403
    assert client.post("/ask", json=asked, headers={"X-Run-Key": b"k\xe9y"}).status_code == 403
    assert client.post("/ask", json={"text": "play jazz"}).json()["answers"][0]["result"] is None
    done = client.post("/ask", json=asked, headers={"X-Run-Key": KEY}).json()
    assert done["answers"][0]["result"] == "Now playing jazz."
    assert client.get("/skills").json()["runs"] is True
    from fastapi.testclient import TestClient

    without = TestClient(make_app(assistant_routers(scripted(), None)))
    answer = without.post("/ask", json=asked, headers={"X-Run-Key": ""})
    assert answer.status_code == 403 and "without --run" in answer.json()["error"]["message"]
    assert without.get("/skills").json()["runs"] is False


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/skills", None, {"Host": "evil.example"}, 403),  # a name whose DNS was turned to this machine
        ("/ask", b'{"text": "hi"}', {"Origin": "http://evil.example"}, 403),
        ("/ask", b'{"text": "hi"}', {"Origin": "null"}, 403),
        ("/ask", b'{"text": "hi"}', {"Content-Type": "text/plain"}, 415),  # what a form of another page can send
        ("/transcribe", b"a", {"Content-Type": "text/plain"}, 415),
        ("/ask", b"{", {}, 400),
        ("/ask", b"", {}, 400),
        ("/ask", b'{"text": "\\ud800"}', {}, 400),
        ("/ask", b'{"text": "a", "text": "b"}', {}, 400),
        ("/ask", b"\xff\xfe", {}, 400),
        ("/ask", b"[" * 100_000, {}, 400),
        ("/ask", b'{"text": ' + b"9" * 5000 + b"}", {}, 400),
        ("/ask", b'{"text": "' + b"a" * LONGEST + b'"}', {}, 413),
        ("/transcribe", b"a" * (LONGEST_AUDIO + 1), {"Content-Type": "audio/wav"}, 413),
        ("/ask", b'{"text": "' + b"a" * 3000 + b'"}', {}, 422),
        ("/ask", b'{"text": "hi", "run": "yes"}', {}, 422),
        ("/ask", b'{"text": "hi", "code": "import os"}', {}, 422),
        ("/ask", b"[]", {}, 422),
        ("/ask/", b"{}", {}, 404),
        ("/skills", b"{}", {}, 405),
    ],
)
def test_what_is_refused_before_the_model_is_asked(path, body, headers, status):
    from fastapi.testclient import TestClient

    model = ScriptedModel()
    client = TestClient(make_app(assistant_routers(scripted(model=model), KEY), ["testserver"]))
    how = {"Content-Type": "application/json", **headers}
    answer = client.get(path, headers=how) if body is None else client.post(path, content=body, headers=how)
    assert answer.status_code == status and set(answer.json()) == {"error"} and not model.asked
    assert answer.headers["X-Request-Id"] and answer.headers["X-Content-Type-Options"] == "nosniff"


ODD = [
    "a\0b",
    "a\u202e",
    "<|im_end|>",
    "none()",
    "\\",
    '"',
    "{}" * 500,
    'weather(location="x")',
    "9" * 1999,
    "🎉" * 999,
]


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_are_asked_with_and_come_back_as_they_are(client, text):
    answer = client.post("/ask", json={"text": text})
    assert answer.status_code == 200 and answer.json()["answers"][0]["utterance"] == text
    assert client.post("/v1/chat/completions", json=said(text)).status_code == 200


def test_a_body_without_a_length_is_not_read_to_its_end(served):
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as line:
        head = "POST /ask HTTP/1.1", f"Host: 127.0.0.1:{served.port}", "Content-Type: application/json"
        line.sendall("\r\n".join([*head, "Transfer-Encoding: chunked", "", ""]).encode())
        for _ in range(LONGEST // 4096 + 1):
            line.sendall(b"1000\r\n" + b"a" * 4096 + b"\r\n")
        assert line.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_fault_of_the_server_says_no_more_than_its_request_id(caplog):
    from fastapi.testclient import TestClient

    def fail() -> None:
        raise RuntimeError("a secret of the server")

    client = TestClient(make_app(assistant_routers(scripted(model=ScriptedModel(on_write=fail)), None)))
    answer = client.post("/ask", json={"text": "play jazz"})
    name = answer.headers["X-Request-Id"]
    assert answer.status_code == 500 and name in answer.json()["error"]["message"] and name in caplog.text
    assert "secret" not in answer.text and "a secret of the server" in caplog.text
    assert client.get("/skills").status_code == 200


# ---- speech ---------------------------------------------------------------------------------------------------------
def test_a_recording_of_nothing_is_an_empty_text_and_rubbish_is_refused(client, silence):
    how = {"Content-Type": "audio/wav"}
    answer = client.post("/transcribe", content=silence.read_bytes(), headers=how)
    assert (answer.status_code, answer.json()) == (200, {"text": ""})
    for rubbish in (b"", b"RIFF", b"\0" * 5000, silence.read_bytes()[:30]):
        assert client.post("/transcribe", content=rubbish, headers=how).status_code == 422


def test_silence_gives_no_call(cli, silence, monkeypatch):
    monkeypatch.setattr(run_model, "open_assistant", lambda name, console: scripted())
    assert cli("calls", "ask", "runs/home", "--audio", str(silence))[:2] == (0, "none()\n")


def test_without_the_extra_speech_the_page_is_told_so(client, monkeypatch):
    monkeypatch.setattr(speech, "understands_speech", lambda: False)
    answer = client.post("/transcribe", content=b"RIFF", headers={"Content-Type": "audio/wav"})
    assert answer.status_code == 503 and "pip install -e '.[speech]'" in answer.json()["error"]["message"]


# ---- one model -----------------------------------------------------------------------------------------------------
def test_the_model_is_loaded_once_and_asked_by_one_at_a_time():
    inside, most, loads = 0, 0, 0

    def slowly() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.01)
        inside -= 1

    def load() -> ScriptedModel:
        nonlocal loads
        loads += 1
        return ScriptedModel(on_write=slowly)

    assistant = scripted()
    assistant._load = load
    app = make_app(assistant_routers(assistant, None))
    with Served(app) as served, httpx.Client(base_url=f"http://127.0.0.1:{served.port}", trust_env=False) as client:
        threads = [threading.Thread(target=client.post, args=("/ask",), kwargs={"json": {"text": "play jazz"}})
                   for _ in range(8)]  # fmt: skip
        assert loads == 0
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (loads, most) == (1, 1)


def test_a_long_queue_is_told_to_come_again_at_once():
    """The requests that are answered hold the model until all others have had their answer."""
    held = threading.Event()
    app = make_app(assistant_routers(scripted(model=ScriptedModel(on_write=lambda: held.wait(20) and None)), None))
    found: list[httpx.Response] = []
    with Served(app) as served, httpx.Client(base_url=f"http://127.0.0.1:{served.port}", trust_env=False) as client:

        def ask() -> None:
            found.append(client.post("/ask", json={"text": "play jazz"}))
            if len(found) == 2 * MOST_WAITING:
                held.set()

        threads = [threading.Thread(target=ask) for _ in range(3 * MOST_WAITING)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refused, answered = found[: 2 * MOST_WAITING], found[2 * MOST_WAITING :]
        assert {one.status_code for one in refused} == {503} and {one.status_code for one in answered} == {200}
        assert all(one.headers["Retry-After"] == "5" for one in refused)
        assert "12 requests are waiting already; ask again in 5 seconds" in refused[0].json()["error"]["message"]
        assert client.post("/ask", json={"text": "play jazz"}).status_code == 200


def test_a_request_that_waits_or_works_too_long_is_told_so(monkeypatch):
    from fastapi.testclient import TestClient

    assistant = scripted(model=ScriptedModel(on_write=lambda: time.sleep(0.05)))
    client = TestClient(make_app(assistant_routers(assistant, None)))
    assistant.limit = 0.01
    answer = client.post("/ask", json={"text": "play jazz"})
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"
    assert "the request was stopped" in answer.json()["error"]["message"]
    monkeypatch.setattr(room, "WAIT", 0.01)
    with assistant._alone():
        assert client.post("/ask", json={"text": "hi"}).status_code == 503
    monkeypatch.undo()
    assistant.limit = room.LIMIT
    assert client.post("/ask", json={"text": "play jazz"}).status_code == 200


# ---- fuzzed --------------------------------------------------------------------------------------------------------
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", make_app(assistant_routers(scripted(), None)))
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]


@SCHEMA.include(path_regex="^/(ask|skills|v1)").parametrize()
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_generated_requests_get_documented_answers(case):
    if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
        case.body["model"] = MODEL  # others end in a 404 at once
    case.call_and_validate(checks=CHECKS)


def test_the_document_names_every_status_with_the_one_error_model():
    document = SCHEMA.raw_schema
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}, (path, status)
    assert set(document["paths"]["/v1/chat/completions"]["post"]["responses"]) >= {"400", "404", "413", "422", "500"}
