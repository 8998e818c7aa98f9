"""`lab calls review` and transcripts: what a person decides is never lost, nothing is left out quietly."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab_lib.calls.candidates.checks import Known
from lab_lib.calls.candidates.records import append_rows, candidate, read_candidates, row
from lab_lib.calls.candidates.review import write_accepted
from lab_lib.calls.candidates.transcripts import read_transcript, transcript_candidates
from lab_lib.calls.examples.bundled import HELD_OUT, TRAIN
from lab_lib.calls.examples.parse import read_examples
from lab_lib.calls.skills.load import load_skills
from lab_lib.calls.skills.skill import prompt_text
from lab_lib.errors import LabError

HOME = load_skills(["home"])
TRAINED = read_examples(TRAIN / "weather_examples.txt").examples[0].utterance
HELD = f"oh {read_examples(HELD_OUT / 'weather_examples.txt').examples[0].utterance}"
TOWNS = ("Oslo", "Lima", "Rome", "Bern", "Nuuk")


@pytest.fixture
def waiting(tmp_path) -> Path:
    """Five candidates that wait, and one that the checks refused."""
    path = tmp_path / "new.jsonl"
    new = [candidate("weather", f"how wet is {town}", f'weather(location="{town}")', "", {"model": "toy", "seed": 0})
           for town in TOWNS]  # fmt: skip
    append_rows(path, map(row, [*new, candidate("weather", "", "", "empty", {"model": "toy"})]))
    return path


def states(path: Path) -> list[str]:
    return [one.state for one in read_candidates(path)]


def say(monkeypatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_candidates_are_accepted_edited_rejected_and_written(waiting, cli, monkeypatch):
    before = waiting.read_text()
    edited = ("e", "is it wet in Lima tomorrow", "weather('Lima', day='tomorrow')")
    say(monkeypatch, "a", *edited, "what", "", "reject", "s")
    code, stdout, stderr = cli("calls", "review", waiting)
    assert code == 0 and waiting.read_text().startswith(before)
    assert states(waiting) == ["accepted", "accepted", "rejected", "new", "new", "refused"]
    assert "no command 'what'; valid: accept, edit, quit, reject, skip" in stderr
    assert '5 of 5, written by toy\n  how wet is Nuuk\n  weather(location="Nuuk")' in stderr
    assert "6 candidates: 2 accepted, 1 rejected, 2 new, 1 refused (no utterance: 1)" in stderr
    path = waiting.with_suffix("") / "weather_new_examples.txt"
    assert stdout == f"{path}\n"
    file = read_examples(path)
    assert file.prompt == prompt_text(HOME["weather"])
    assert [(one.utterance, one.call) for one in file.examples] == [
        ("how wet is Oslo", 'weather(location="Oslo")'),
        ("is it wet in Lima tomorrow", 'weather(location="Lima", day="tomorrow")'),
    ]
    say(monkeypatch, "accept")
    assert cli("calls", "review", waiting)[0] == 0 and len(read_examples(path).examples) == 3


REFUSED = {
    "call": (["e", "", "weather()"], "not accepted: weather needs 'location'"),
    "text": (["e", "", "weather Oslo"], "not accepted: "),
    "twice": (["a", "e", "How wet is  OSLO?", ""], "not accepted: the utterance exists"),
    "long": (["e", "wet " * 90, ""], "not accepted: an utterance of more than 300 characters"),
    "trained": (["e", TRAINED, ""], "not accepted: the utterance exists already: "),
    "held out": (["e", HELD, 'weather(location="Ulm")'], "not accepted: a near copy of a held-out utterance: "),
}


@pytest.mark.parametrize(("lines", "said"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_learned_is_not_accepted(lines, said, waiting, cli, monkeypatch):
    say(monkeypatch, *lines, "q")
    code, _, stderr = cli("calls", "review", waiting)
    assert code == 0 and said in stderr and states(waiting).count("accepted") == (lines[0] == "a")


def test_a_value_that_an_edited_utterance_does_not_say_is_noted(waiting, cli, monkeypatch):
    say(monkeypatch, "e", "is the little town wet", "")
    code, _, stderr = cli("calls", "review", waiting)
    assert code == 0 and "note: the utterance does not say the value 'Oslo'" in stderr and "accepted" in states(waiting)


def test_candidates_of_other_skills_are_named_with_their_file(waiting, cli, monkeypatch, tmp_path):
    say(monkeypatch, "a")
    cli("calls", "review", waiting)
    (tmp_path / "mine.yaml").write_text("ring: {description: Ring.}")
    code, _, stderr = cli("calls", "review", waiting, "--skills", tmp_path / "mine.yaml")
    one = read_candidates(waiting)[0]
    assert code == 2 and f"{waiting}: candidate {one.id}, 'how wet is Oslo': no skill 'weather'" in stderr
    assert "name the files of its skills with --skills" in stderr


@pytest.mark.parametrize("rows", [0, 1])
def test_a_file_with_none_or_one_is_counted_in_words(rows, waiting, cli, monkeypatch):
    waiting.write_text("".join(waiting.read_text().splitlines(keepends=True)[:rows]))
    say(monkeypatch)
    assert f"{waiting}: {('0 candidates', '1 candidate: 1 new')[rows]}\n" in cli("calls", "review", waiting)[2]


@pytest.mark.parametrize("end", [b"\x04", b"\x03"], ids=["Ctrl-D", "Ctrl-C"])
def test_in_a_terminal_both_ways_out_keep_what_was_decided(end, waiting):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "lab_lib", "calls", "review", str(waiting)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                          preexec_fn=lambda: take_terminal()) as process:  # fmt: skip
        os.close(theirs)
        text = b""
        for said in (b"a\n", b"r\n", end):
            while b"first letter)> " not in text:
                text += os.read(ours, 1000)
            text = b""
            os.write(ours, said)
        try:
            while True:
                if select.select([ours], [], [], 5)[0]:
                    text += os.read(ours, 1000)
                else:  # the key came after Python had looked for signals, and before it waited for input
                    os.write(ours, end)
        except OSError:  # the other side is closed
            pass
    os.close(ours)
    assert process.returncode == 0 and b"Traceback" not in text
    assert states(waiting) == ["accepted", "rejected", "new", "new", "new", "refused"]
    assert len(read_examples(waiting.with_suffix("") / "weather_new_examples.txt").examples) == 1


def take_terminal() -> None:
    """Make the terminal on standard input the one whose Ctrl-C reaches this process."""
    import fcntl
    import termios

    signal.signal(signal.SIGINT, signal.default_int_handler)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_examples_of_somebodys_own_are_not_overwritten(waiting, tmp_path):
    one, *_ = read_candidates(waiting)
    accepted = type(one)(**{**vars(one), "state": "accepted"})
    path = tmp_path / "out" / "weather_new_examples.txt"
    write_accepted([accepted], path.parent, "new", HOME)
    mine = path.read_text() + '\n### User: my own\n### Assistant: weather(location="Ulm")\n'
    path.write_text(mine)
    with pytest.raises(LabError, match="line 9: 'my own' is not an accepted candidate; name another folder"):
        write_accepted([accepted], path.parent, "new", HOME)
    assert path.read_text() == mine


SAID = [(3, "Did you see the game last night?"), (5, "No, I fell asleep.")]
PLAIN = (
    "\x1b[2K\n[Music]\nDid you see the game last night?\n\n- No,  I fell asleep.\n(laughs)\nno, I FELL asleep.\n...\n"
)
SRT = """\ufeff1\r
00:00:01,000 --> 00:00:02,500\r
Did you see <i>the game</i>\r
last night?\r
\r
2\r
00:00:03,000 --> 00:00:04,000 X1:40\r
{\\an8}- No, I fell asleep. (yawns)\r
"""
VTT = """WEBVTT - a talk

NOTE nobody says this

00:01.000 --> 00:02.500 align:start
<v Ann>Did you see the game last night?</v>

intro
01:00:03.000 --> 01:00:04.000
No, I fell asleep.
"""
WHISPER = {"text": "all", "segments": [{"start": 0.0, "end": 2.5, "text": " Did you see the game last night?"},
           {"text": " No, I fell asleep."}]}  # fmt: skip
TALKS = {
    "talk.txt": (PLAIN, SAID, {"without words": 4, "said before": 1}),
    "talk.srt": (SRT, [(3, SAID[0][1]), (8, SAID[1][1])], {}),
    "talk.vtt": (VTT, [(6, SAID[0][1]), (10, SAID[1][1])], {"without words": 1}),
    "talk.json": (json.dumps(WHISPER), [(1, SAID[0][1]), (2, SAID[1][1])], {}),
    "list.json": (json.dumps(WHISPER["segments"]), [(1, SAID[0][1]), (2, SAID[1][1])], {}),
    "cpp.json": (json.dumps({"transcription": WHISPER["segments"]}), [(1, SAID[0][1]), (2, SAID[1][1])], {}),
    "cpp.txt": ("[00:00:00.000 --> 00:00:02.500]   Did you see it?\n", [(1, "Did you see it?")], {}),
}


@pytest.mark.parametrize(("name", "content"), TALKS.items(), ids=list(TALKS))
def test_transcripts_are_read_in_order_and_what_is_left_out_is_counted(name, content, tmp_path):
    text, said, dropped = content
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    found = read_transcript(tmp_path / name)
    assert list(found.said) == said and dict(found.dropped) == dropped


BAD = {
    "a.srt": ("1\n00:00:01,000 --> 00:00:02,000\nhello\n\n2\nhow are you\n", "line 6: 'how are you', expected times"),
    "b.srt": ("1\n", "line 2: '', expected times such as 00:00:01,000 --> 00:00:02,500"),
    "c.vtt": ("00:01.000 --> 00:02.000\nhello\n", "line 1: '00:01.000 --> 00:02.000', expected WEBVTT"),
    "d.vtt": ("WEBVTT\n\nhello\nyou\n", "line 4: 'you', expected times such as 00:01.000 --> 00:02.500"),
    "e.json": ('{"segments": [{"text": "a"},]}', "line 1, column 29: "),
    "f.json": ('{"text": "a"}', "is this Whisper's JSON?"),
    "g.json": ('{"segments": [{"text": "a"}, {"word": "b"}]}', "segment 2: {'word': 'b'}, expected an object"),
    "h.txt": ("1\n00:00:01,000 --> 00:00:02,000\nhello\n", "line 2: the times of a subtitle; is this a .srt or .vtt"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content"), BAD.items(), ids=list(BAD))
def test_transcripts_in_another_layout_are_one_line_with_its_number(name, content, tmp_path):
    (tmp_path / name).write_text(content[0])
    with pytest.raises(LabError) as error:
        read_transcript(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: ") and content[1] in str(error.value)


def test_lines_of_a_transcript_become_candidates_of_no_skill(tmp_path):
    (tmp_path / "talk.txt").write_text("Good morning, Ann\nis it raining\nI said good morning\n")
    held = tmp_path / "weather_examples.txt"
    held.write_text(f"#### Prompt:\n{prompt_text(HOME['weather'])}\n\n#### Examples:\n### User: Is it raining?\n"
                    '### Assistant: weather(location="here")\n')  # fmt: skip
    found = transcript_candidates(read_transcript(tmp_path / "talk.txt"), Known(HOME, [], [held]))
    assert [(one.utterance, one.state) for one in found] == [
        ("Good morning, Ann", "new"), ("is it raining", "refused"), ("I said good morning", "new")]  # fmt: skip
    assert found[1].reason == f"twice: {held}, line 6" and {one.call for one in found} == {"none()"}
    assert found[2].source["transcript"] == "talk.txt" and found[2].source["line"] == 3
