"""docs/coming-from-otto.md and docs/skill-examples.md: lab takes every command, and those that gather data are run."""

from __future__ import annotations

import io
import re
import shlex
import shutil
from pathlib import Path

import pytest
from chat_server import ChatServer
from command_line import commands, lab, parse

from lab_lib.calls.candidates.records import read_candidates
from lab_lib.speech.speak import speak

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, EXAMPLES = ((DOCS / name).read_text("utf-8") for name in ("coming-from-otto.md", "skill-examples.md"))
FOUND = [shlex.split(found)[1:] for found in re.findall(r"`(lab [^`]+)`", PAGE + EXAMPLES)] + commands(EXAMPLES)
COMMANDS = [list(words) for words in dict.fromkeys(map(tuple, FOUND))]
GATHER = [words for words in COMMANDS if words[0] == "calls" and words[1] in ("collect", "review", "dataset", "lint")]
TALK = "1\n00:00:01,000 --> 00:00:02,000\nSee you on Monday\n"


def test_every_row_of_the_table_has_both_sides():
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20 and all(len(row) == 3 for row in rows)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_commands_are_ones_that_lab_takes(words):
    parse(words)


def marked(words: list[str]):
    local = words[:2] == ["calls", "collect"] and not {"--base-url", "--dry-run"} & set(words)
    return pytest.param(words, marks=pytest.mark.model if local else (), id=" ".join(words))


@pytest.mark.parametrize("words", [marked(words) for words in GATHER])
def test_the_commands_that_gather_data_run(words, tmp_path, monkeypatch, request):
    """With a file of candidates for review, a transcript, and an endpoint on loopback."""
    monkeypatch.chdir(tmp_path)
    Path("talk.srt").write_text(TALK)
    if request.node.get_closest_marker("model"):
        request.getfixturevalue("smollm2")
        words = [*(word for word in words if word not in ("--n", "20")), "--n", "1"]
    if "review" in words:
        assert lab("calls", "dataset", "--from-transcript", "talk.srt", "--out", "candidates.jsonl") == 0
        monkeypatch.setattr("sys.stdin", io.StringIO(TALK))  # its lines are no commands; its end ends the review
    said = [f"is it {word} in Ulm" for word in ("wet", "dry", "hot", "icy", "foggy")]
    reply = {"examples": [{"utterance": one, "arguments": {"location": "Ulm", "day": None}} for one in said]}
    with ChatServer(lambda asked: reply) as server:
        assert lab(*({"URL": server.url, "20": "5"}.get(word, word) for word in words)) == 0
    if "--from-transcript" in words:
        assert [one.utterance for one in read_candidates(Path("candidates.jsonl"))] == ["See you on Monday"]
    if "--base-url" in words:
        assert [one.utterance for one in read_candidates(Path("candidates.jsonl"))] == said


RECIPE = "calls-tiny-cpu"
SMALL = [
    "data.max_train=8", "data.max_test=4", "training.steps=2", "training.batch_size=4", "training.micro_batch_size=4",
    "decoding.max_new_tokens=8", "evaluation.resamples=20", "model.dtype=fp32", "model.attention=auto",
]  # fmt: skip
TRAIN = [words for words in COMMANDS if "--dry-run" in words[2:] or {"RUN", "calls-tiny-cpu"} & set(words) or
         words[:2] == ["calls", "train"]]  # fmt: skip
RUNS = [
    words for words in TRAIN if words[0] != "serve" and words[:2] not in (["calls", "collect"], ["calls", "speech"])
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the data set and the run that the commands name; the run is that of `lab calls train --all`."""
    place = tmp_path_factory.mktemp("otto")
    assert lab("calls", "dataset", "home", "--out", place / "dataset") == 0
    assert lab("calls", "train", RECIPE, *SMALL, "--out", place / "RUN", "--all") == 0
    return place


@pytest.mark.slow
@pytest.mark.parametrize("words", RUNS, ids=" ".join)
def test_the_commands_that_train_and_ask_run(words, folder, tmp_path, monkeypatch):
    """On a few requests. `lab serve` runs until it is stopped: its own tests start it."""
    monkeypatch.chdir(folder)
    places = {"MERGED": tmp_path / "merged", "OUT": tmp_path / "out", "FILE": tmp_path / "said.wav"}
    if "FILE" in words:
        pytest.importorskip("faster_whisper")
        if shutil.which("espeak-ng") is None:
            pytest.skip("espeak-ng is not installed")
        speak("what is the weather in Berlin", places["FILE"], "en-us", 160)
    trains = words[0] == "run" or words[:2] == ["calls", "train"]
    more = [*SMALL, *([] if "--dry-run" in words else ["--out", tmp_path / "run"])] if trains else []
    more = [RECIPE, *more] if words[1] == "train" else more  # settings stand behind a recipe that is named
    code = lab(*(places.get(word, word) for word in words), *more)
    assert code == 0 or (words[1] == "ask" and code == 1)  # 1: such a model makes no call


def test_every_command_of_the_table_is_run_by_a_test():
    elsewhere = [words for words in COMMANDS if words not in GATHER + RUNS]
    assert {words[0] for words in elsewhere} <= {"serve", "models", "calls", "run"}
    assert all(words[1] == "speech" for words in elsewhere if words[0] == "calls")  # tests/test_spoken.py
