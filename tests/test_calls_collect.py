"""`lab calls collect`: examples from an endpoint, checked and recorded; every way it can fail is one line."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import jsonschema
import pytest
from chat_server import ChatServer

from lab_lib.calls.candidates.checks import Known, tidy
from lab_lib.calls.candidates.client import BadAnswer, open_endpoint
from lab_lib.calls.candidates.records import append_rows, candidate, decision, read_candidates, row
from lab_lib.calls.candidates.requests import answer_schema
from lab_lib.calls.examples.bundled import HELD_OUT, TRAIN, example_files
from lab_lib.calls.examples.parse import read_examples
from lab_lib.calls.skills.check import read_call
from lab_lib.calls.skills.load import load_skills
from lab_lib.errors import LabError

HOME = load_skills(["home"])
KEY = "sk-not-a-real/key"
TOWNS = ("Oslo", "Lima", "Kyiv", "Porto", "Hanoi", "Quito", "Accra", "Delhi")
SCHEMA = {"type": "object"}
WEATHER = ("--skill", "weather", "--examples", TRAIN / "weather_examples.txt",
           "--held-out", HELD_OUT / "weather_examples.txt")  # fmt: skip


def rain(asked: dict) -> dict:
    """Write as many examples as were asked for, other towns for each seed."""
    towns = [f"{town}{asked['seed'] or ''}" for town in TOWNS[:5]]
    return {"examples": [{"utterance": f"Tell me how {town} looks at the sky now", "arguments":
            {"location": town, "day": None}} for town in towns]}  # fmt: skip


def endpoint(server: ChatServer, monkeypatch, key: str = KEY, seconds: float = 5.0):
    """A client that does not sleep; what it would have slept is in `.slept`."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    slept = list[float]()
    made = open_endpoint(server.url, "toy", "OPENAI_API_KEY", seconds)
    object.__setattr__(made, "sleep", slept.append)
    object.__setattr__(made, "slept", slept)
    return made


def test_collected_examples_are_checked_recorded_and_resumed(tmp_path, cli, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    out = tmp_path / "new.jsonl"
    with ChatServer(rain) as server:
        what = ("calls", "collect", "--base-url", server.url, "--model", "toy", *WEATHER, "--out", out)
        code, stdout, stderr = cli(*what, "--n", "3")
        assert (code == 0 and "weather: 3 of 3" in stderr) or "weather: 5 of 3" in stderr
        first = out.read_text()
        assert cli(*what, "--n", "3")[0] == 0 and out.read_text() == first and len(server.asked) == 1
        assert cli(*what, "--n", "8")[0] == 0 and len(server.asked) == 2
    found = read_candidates(out)
    assert out.read_text().startswith(first) and len({one.id for one in found}) == len(found) == 10
    for one in found:
        read_call(one.call, HOME)
        assert one.state == "new" and one.date.startswith("20")
        assert one.source["endpoint"] == server.url[7:-3] and one.source["model"] == "toy-1"
        assert one.source["prompt"] == 1 and one.source["completion_tokens"] == 5
    assert [one.source["seed"] for one in found] == [0] * 5 + [1] * 5
    headers, body = server.asked[0]
    assert headers["Authorization"] == f"Bearer {KEY}" and body["model"] == "toy" and body["seed"] == 0
    form = body["response_format"]
    assert form["type"] == "json_schema" and form["json_schema"]["strict"] is True
    jsonschema.validate(rain({"seed": 0}), form["json_schema"]["schema"])
    assert "weather(location: str" in body["messages"][1]["content"]
    assert KEY not in out.read_text() + stderr + stdout + caplog.text + repr(body)


FAULTY = {
    "empty": ({"utterance": " ", "arguments": {"location": "Oslo"}}, "no utterance"),
    "bounds": ({"utterance": "rain on Mars", "arguments": {"location": "Mars", "day": "never"}}, "is not accepted"),
    "said": ({"utterance": "rain over there", "arguments": {"location": "Oslo"}}, "a value of the call is not said"),
    "form": ("rain", "not in the requested form"),
    "hidden": ({"utterance": "rain in \u202eOslo", "arguments": {"location": "Oslo"}}, "invisible character"),
    "known": ({"utterance": "oslo WEATHER please!", "arguments": {"location": "Oslo"}}, "utterance exists"),
    "long": ({"utterance": "rain " * 90 + "Oslo", "arguments": {"location": "Oslo"}}, "more than 300 characters"),
}


@pytest.mark.parametrize(("entry", "said"), FAULTY.values(), ids=list(FAULTY))
def test_what_the_checks_find_is_kept_with_its_reason_and_counted(entry, said, tmp_path, cli, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    good = {"utterance": "Say what falls from the sky of Bern", "arguments": {"location": "Bern", "day": None}}
    with ChatServer(lambda asked: {"examples": [entry, good, good]}) as server:
        code, _, stderr = cli("calls", "collect", "--base-url", server.url, "--model", "toy", *WEATHER,
                              "--out", tmp_path / "a.jsonl", "--n", "1")  # fmt: skip
        assert "Authorization" not in server.asked[0][0]
    found = read_candidates(tmp_path / "a.jsonl")
    assert code == 0 and [one.state for one in found] == ["refused", "new", "refused"] and said in stderr
    assert found[2].reason.startswith("twice: ") and found[1].id in found[2].reason


def test_near_copies_of_held_out_utterances_are_refused_and_a_writer_without_ideas_is_left(tmp_path, cli):
    held = read_examples(HELD_OUT / "weather_examples.txt").examples[0]
    call = read_call(held.call, HOME)
    other = {"utterance": held.utterance.replace(call.arguments["location"], "Ulm"), "arguments": {"location": "Ulm"}}
    with ChatServer(lambda asked: {"examples": [other]}) as server:
        code, _, stderr = cli("calls", "collect", "--base-url", server.url, "--model", "toy", *WEATHER,
                              "--out", tmp_path / "a.jsonl")  # fmt: skip
        assert len(server.asked) == 3
    assert code == 1 and "weather: 0 of 5; refused: 3 (a near copy of a held-out utterance: 3)" in stderr
    assert "missing: weather 5" in stderr


def test_schemas_are_within_what_strict_mode_takes():
    def check(schema: dict) -> None:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert not schema.keys() & {"minLength", "maxLength", "default", "description"}
        if "object" in kinds:
            assert schema["required"] == list(schema["properties"]) and schema["additionalProperties"] is False
        for inner in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
            check(inner)

    for name in (*HOME, "none"):
        schema = answer_schema(name, HOME)
        jsonschema.Draft202012Validator.check_schema(schema)
        check(schema)


@pytest.mark.parametrize("path", example_files([TRAIN]), ids=lambda path: path.stem)
def test_every_gold_call_is_of_the_schema_that_is_asked_for(path):
    call = read_call(read_examples(path).examples[0].call, HOME)
    valid = jsonschema.Draft202012Validator(answer_schema(call.name, HOME)).is_valid
    names = [] if call.name == "none" else [one.name for one in HOME[call.name].function.parameters]
    for example in read_examples(path).examples:
        call = read_call(example.call, HOME)
        value = {"utterance": "x", "arguments": {name: call.arguments.get(name) for name in names}}
        assert valid({"examples": [value]}), example


LATER = format_datetime(datetime.now(timezone.utc) + timedelta(days=10), usegmt=True)
# Each: what goes wrong, the line that says so, how many requests there were, and what was waited.
FAULTS = {
    "html": (["html"], "answered with a web page: '<html><body>Sign in to the Wi-Fi", 1, []),
    "rubbish": (["rubbish"], "answered with no JSON", 1, []),
    "shape": (["shape"], "not an answer of the chat interface", 1, []),
    "half": (["half"] * 3, "(3 tries)", 3, [1, 2]),
    "silence": (["silence"] * 3, "no answer within 0.2 s (3 tries)", 3, [1, 2]),
    "endless": (["endless"], "more than 2,000,000 bytes", 1, []),
    "500": (["500"] * 3, "answered 500: no, not with Bearer *** (3 tries)", 3, [1, 2]),
    "429": (["429 Retry-After: 7"] * 3, "answered 429", 3, [7, 7]),
    "429 later": (["429 Retry-After: 3600"], "it asks to wait 3600 s: try again later", 1, []),
    "429 date": ([f"429 Retry-After: {LATER}"], "it asks to wait 86", 1, []),
    "429 nonsense": (["429 Retry-After: soon"] * 3, "answered 429", 3, [1, 2]),
    "401": (["401"], "refuses the key (401); it is read from the variable OPENAI_API_KEY", 1, []),
    "404": (["404"], "answered 404", 1, []),
    "redirect": (["302 Location: http://127.0.0.1:1/"], "redirects to http://127.0.0.1:1/; it is not followed", 1, []),
    "length": (["length"], "cut at", 1, []),
    "refusal": (["refusal"], "the model declines: I cannot help", 1, []),
}


@pytest.mark.parametrize(("faults", "said", "requests", "waited"), FAULTS.values(), ids=list(FAULTS))
def test_every_failure_is_one_line_without_the_key(faults, said, requests, waited, monkeypatch):
    with ChatServer(lambda asked: {}) as server:
        server.faults.extend(faults)
        asked = endpoint(server, monkeypatch, seconds=0.2 if "silence" in faults else 5.0)
        with pytest.raises(LabError) as error:
            asked.ask([{"role": "user", "content": "hello"}], SCHEMA)
    assert said in str(error.value) and len(server.asked) == requests and asked.slept == waited
    assert KEY not in str(error.value) + repr(asked) and "\n" not in str(error.value)
    assert isinstance(error.value, BadAnswer) == (faults[0] in ("length", "refusal"))


def test_a_server_that_was_busy_is_asked_again_and_no_answer_repeats_the_key(monkeypatch):
    with ChatServer(lambda asked: "fine") as server:
        server.faults.extend(["503", "half", "echo"])
        asked = endpoint(server, monkeypatch)
        assert asked.ask([], SCHEMA).text == "Bearer ***" and asked.slept == [1, 2]
        assert asked.ask([], SCHEMA).text == "fine"


def test_nobody_there(monkeypatch):
    with ChatServer(lambda asked: {}) as server:
        asked = endpoint(server, monkeypatch)
    with pytest.raises(LabError, match=r"(refused|failed).* \(3 tries\)"):
        asked.ask([], SCHEMA)


ADDRESSES = {
    "ftp://a/v1": "expected an address such as",
    "127.0.0.1:8000": "expected an address such as",
    "http://user:word@127.0.0.1/v1": "nothing but host and path; a key is read from the variable OPENAI_API_KEY",
    "http://127.0.0.1/v1?key=secret": "nothing but host and path",
    "http://example.com/v1": "would be sent unencrypted to example.com; use https",
    "http://[::1/v1": "expected an address such as",
}


@pytest.mark.parametrize(("url", "said"), ADDRESSES.items(), ids=list(ADDRESSES))
def test_addresses_that_are_none_or_would_give_the_key_away(url, said, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(LabError) as error:
        open_endpoint(url, "toy", "OPENAI_API_KEY")
    assert said in str(error.value) and "secret" not in str(error.value) and "word" not in str(error.value)


def test_a_key_that_no_header_takes_is_not_shown(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-a\nX-Other: b")
    with pytest.raises(LabError, match=r"^MY_KEY: not a key: ") as error:
        open_endpoint("https://example.com/v1", "toy", "MY_KEY")
    assert "sk-a" not in str(error.value)


def test_a_model_that_writes_another_form_is_asked_once_more_and_then_left(tmp_path, cli):
    with ChatServer(lambda asked: "Sure! Here are some examples:") as server:
        code, _, stderr = cli("calls", "collect", "--base-url", server.url, "--model", "toy", *WEATHER,
                              "--out", tmp_path / "a.jsonl")  # fmt: skip
        assert [body["seed"] for _, body in server.asked] == [0, 1]
    assert code == 2 and stderr.count("Sure! Here are") == 2 and "(2 such answers in a row)" in stderr
    assert "Traceback" not in stderr and not (tmp_path / "a.jsonl").exists()


def test_lines_are_appended_and_a_torn_one_is_put_right(tmp_path):
    path = tmp_path / "a.jsonl"
    one, two = (candidate("news", text, "news()", "", {"seed": 0}) for text in ("news", "what is new"))
    append_rows(path, [row(one)])
    whole = path.read_text()
    path.write_text(whole + json.dumps(row(two))[:40])
    assert read_candidates(path) == [one]
    append_rows(path, [row(two)])
    assert path.read_text() == whole + json.dumps(row(two)) + "\n"
    path.write_text(path.read_text().rstrip("\n"))  # an editor took the last line's end away
    append_rows(path, [decision(one, "accepted")])
    assert [found.state for found in read_candidates(path)] == ["accepted", "new"]


NEW = '{"id": "a", "skill": "s", "utterance": "u", "call": "c", "state": "new"}'
LINES = {
    "[1]": "line 1: expected an object, found [1]",
    '{"id": "a", "utterance": 5}': "line 1: 'skill' is None, expected text; is this a file of candidates?",
    '{"id": "a", "id": "b"}': "line 1: not JSON: id 'b': the key 'id' occurs twice",
    "hello": "line 1: not JSON: Expecting value; is this a file of candidates?",
    NEW[:-1] + ', "source": {"seed": "x"}}': "line 1: the seed of its source is 'x'",
    NEW.replace("new", "old"): "line 1: state 'old'; valid: accepted, new, refused, rejected",
}


@pytest.mark.parametrize(("line", "said"), LINES.items(), ids=list(LINES))
def test_a_file_of_something_else_is_refused_and_left_as_it_is(line, said, tmp_path, cli):
    path = tmp_path / "a.jsonl"
    path.write_text(line)
    code, _, stderr = cli("calls", "collect", "--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--out", path)
    assert code == 2 and said in stderr and path.read_text() == line


def test_quotation_marks_around_an_utterance_are_not_said():
    assert tidy(' "play  Hello" ') == "play Hello" and tidy('say "hi" and "bye"') == 'say "hi" and "bye"'


def test_known_files_with_calls_that_are_not_accepted_are_named(tmp_path):
    path = tmp_path / "weather_examples.txt"
    text = (TRAIN / "weather_examples.txt").read_text().replace('location="Lisbon"', 'place="Lisbon"')
    path.write_text(text)
    with pytest.raises(LabError, match=r"weather_examples\.txt: line 7: weather has no parameter 'place'"):
        Known(HOME, [path], [])
