"""/understand and /retrieve: answers, refusals, hotfixes without a restart; no bytes make them fail."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from module_files import write_module

fastapi = pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
import schemathesis  # noqa: E402
from fastapi.testclient import TestClient  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402
from schemathesis import checks  # noqa: E402
from schemathesis.specs.openapi import checks as openapi_checks  # noqa: E402

from lab_lib.errors import LabError  # noqa: E402
from lab_lib.exemplars.corpus import load_exemplars  # noqa: E402
from lab_lib.retrieval.config import RetrievalConfig  # noqa: E402
from lab_lib.retrieval.index import save_index  # noqa: E402
from lab_lib.serve import assistant as room  # noqa: E402
from lab_lib.serve.http import understand  # noqa: E402
from lab_lib.serve.http.app import make_app  # noqa: E402
from lab_lib.serve.understanding import Understanding  # noqa: E402
from lab_lib.understand.add import NewExemplar, add_exemplar  # noqa: E402
from lab_lib.understand.converter import Converter  # noqa: E402
from lab_lib.understand.module import ModuleConfig, make_module, open_module  # noqa: E402

WORDS = RetrievalConfig(descriptions="tfidf", exemplars="tfidf")
EXAMPLES = 20  # of each route, in the default tier
BAR = 5000  # of each route: 10,000 requests in all, outside the default tier


def opened(folder: Path) -> Understanding:
    return Understanding([str(folder)], lambda: Converter([open_module(str(folder))]))


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("serve")
    corpus = load_exemplars(str(write_module(folder / "office")))
    made = make_module(corpus, ModuleConfig(retrieval=WORDS))
    return save_index(folder / "index", made.retriever, made.functions, made.recognisers)


@pytest.fixture
def client(index) -> TestClient:
    return TestClient(make_app([understand.router(opened(index))]))


def test_a_call_with_its_evidence(client):
    found = client.post("/understand", json={"text": "I want two tickets to New York"}).json()
    assert found["call"] == 'buy_ticket(quantity=2, destination="New York")' and found["by"] == "retrieval"
    assert {one["slot"]: one["said"] for one in found["slots"]} == {"quantity": "two", "destination": "New York"}
    assert found["evidence"]["exemplars"][0]["key"] == "office.001"
    seen = client.post("/retrieve", json={"text": "tickets to York", "descriptions": 1, "exemplars": 2}).json()
    assert [len(seen["descriptions"]), len(seen["exemplars"])] == [1, 2]
    assert seen["exemplars"][0]["score"] >= seen["exemplars"][1]["score"]
    refused = client.post("/understand", json={"text": "tickets to York"}).json()
    assert (refused["call"], refused["reason"], refused["name"]) == ("", "missing", "buy_ticket")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/understand", b'{"text": ""}', 422),
        ("/understand", b'{"text": "\\u200b"}', 422),
        ("/understand", b'{"text": "' + b"a" * 2001 + b'"}', 422),
        ("/understand", b'{"text": "hi", "frame": "find_trian"}', 422),
        ("/understand", b'{"text": "hi", "schema": "/etc/passwd"}', 422),
        ("/retrieve", b'{"text": "hi", "exemplars": 65}', 422),
        ("/retrieve", b'{"text": "hi", "exemplars": -1}', 422),
        ("/retrieve", b'{"text": "a", "text": "b"}', 400),
        ("/retrieve", b'{"text": "\\ud800"}', 400),
        ("/retrieve", b"\xff\xfe", 400),
        ("/understand", b'{"text": "' + b"a" * (1 << 18) + b'"}', 413),
        ("/understand/", b"{}", 404),
    ],
)
def test_what_is_refused_in_the_one_form(client, path, body, status):
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status and set(answer.json()) == {"error"} and answer.headers["X-Request-Id"]
    assert "\n" not in answer.json()["error"]["message"]


def test_what_is_added_counts_without_a_restart_and_a_broken_index_lets_the_old_one_answer(index, client, caplog):
    text = {"text": "over the hills and far away"}
    assert client.post("/understand", json=text).json()["name"] == "none"
    add_exemplar(index, NewExemplar(text["text"], "find_train()"))
    assert client.post("/understand", json=text).json()["call"] == "find_train()"
    manifest = index / "index.json"
    kept = manifest.read_text()
    manifest.write_text("{}")
    assert client.post("/understand", json=text).json()["call"] == "find_train()"
    assert "the old one answers" in caplog.text
    manifest.write_text(kept)
    with pytest.raises(LabError, match="no corpus of exemplars"):
        opened(index / "nowhere").open()


def test_one_at_a_time(index, monkeypatch):
    asked = opened(index)
    client = TestClient(make_app([understand.router(asked)]))
    monkeypatch.setattr(room, "WAIT", 0.01)
    with asked._alone():
        answer = client.post("/understand", json={"text": "hi"})
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"
    monkeypatch.undo()
    assert client.post("/understand", json={"text": "hi"}).status_code == 200


# ---- fuzzed --------------------------------------------------------------------------------------------------------
DESK = Understanding(["desk"], lambda: Converter([open_module("desk", WORDS)]))  # opened when it is first asked
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", make_app([understand.router(DESK)]))
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, derandomize=True, **QUIET)
def test_generated_requests_get_documented_answers(case):
    case.call_and_validate(checks=CHECKS)


@pytest.mark.slow
@SCHEMA.parametrize()
@settings(max_examples=BAR, **QUIET)
def test_ten_thousand_generated_requests_get_documented_answers(case):
    case.call_and_validate(checks=CHECKS)


@pytest.mark.parametrize("count", [60, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_bytes_make_it_fail(client, count):
    chance = random.Random(0)
    whole = b'{"text": "two tickets to New York", "frame": "find_train", "exemplars": 3}'
    for _ in range(count):
        body = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(body))
            body[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3)) or b'"'
        path = chance.choice(("/understand", "/retrieve"))
        answer = client.post(path, content=bytes(body), headers={"Content-Type": "application/json"})
        assert answer.status_code in (200, 400, 413, 415, 422), body
