"""Ids, names, file names, utterances and messages of others cannot act on a terminal, nor forge a line of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from tiny_corpus import write_tiny_corpus

from lab_lib.cli.console import safe_console
from lab_lib.corpora.multiwoz import read_multiwoz
from lab_lib.errors import ACTING, LabError, one_line, visible
from lab_lib.evaluation.baselines import gold_replies
from lab_lib.files import read_json, write_json, write_jsonl

# Clears the screen, sets the window's title, rings, begins a line of ours, goes back to its start, turns around.
EVIL = "x\x1b[2J\x1b]0;pwned\x07\nerror: fake\r\x9b31m\u202eabc"
FILE = EVIL.replace("\n", "\u2028")


@pytest.fixture
def corpus(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return write_tiny_corpus(tmp_path / "tiny")


def gold(corpus: Path) -> dict[str, list[dict[str, Any]]]:
    replies = gold_replies(read_multiwoz(corpus, corpus, "t").splits["train"])
    return {key: [dict(turn) for turn in turns] for key, turns in replies.items()}


def check(shown: tuple[int, str, str], *codes: int) -> str:
    code, out, err = shown
    assert code in codes, err
    text = out + err
    acting = {character for character in ACTING.findall(text) if character not in "\n\t"}
    assert not acting and "\nerror: fake" not in text and not text.startswith("error: fake"), repr(text)
    return text


def spoilt_predictions(corpus: Path, how: str) -> Path:
    found = gold(corpus)
    key = next(iter(found))
    rows = [
        {"dialogue": name, "turn": place, **turn} for name, turns in found.items() for place, turn in enumerate(turns)
    ]
    match how:
        case "unknown id":
            rows[0]["dialogue"] = EVIL
        case "id twice":
            rows = [{"dialogue": EVIL, "turn": 0, "response": "x"}] * 2
        case "missing turn":
            rows = [{"dialogue": EVIL, "turn": 1, "response": "x"}]
        case "placeholder":
            rows[0]["response"] = f"[{EVIL.replace('x', 'name ', 1)}] [a\nb]"
        case "state":
            rows = [{**row, "state": {EVIL: {EVIL: EVIL}}} for row in rows]
        case _:
            rows[0][EVIL] = key
    return write_jsonl(Path("predictions.jsonl"), rows)


@pytest.mark.parametrize("how", ["unknown id", "id twice", "missing turn", "placeholder", "state", "other field"])
def test_a_prediction_file(cli, corpus, how):
    path = spoilt_predictions(corpus, how)
    check(cli("evaluate", path, "--corpus", corpus, "--split", "train", "--resamples", 5), 0, 2)
    check(cli("predictions", "export", path, "out.json"), 0, 2)


def test_names_of_files(cli, corpus):
    found = gold(corpus)
    path = write_json(Path("files") / f"{FILE}.json", found)
    where = ("--corpus", corpus, "--split", "train", "--resamples", 5)
    assert "u001b[2J" in check(cli("evaluate", path, *where), 0)
    assert "u001b[2J" in check(cli("leaderboard", "files", *where), 0)
    table = Path("leaderboard.md").read_text(encoding="utf-8")
    assert not set(ACTING.findall(table)) - {"\n"} and "\nerror: fake" not in table
    write_json(path, {})
    check(cli("leaderboard", "files", *where), 2)
    check(cli("evaluate", Path("files") / f"other{FILE}"), 2)


def spoil(folder: Path) -> Path:
    """Put control characters into every text of a dialogue of a corpus."""
    path = next((folder / "train").glob("*.json"))
    dialogues = read_json(path)
    dialogues[0]["dialogue_id"] = f"{EVIL}.json"
    for turn in dialogues[0]["turns"]:
        turn["utterance"] += EVIL
        for frame in turn["frames"]:
            for values in frame.get("state", {}).get("slot_values", {}).values():
                values[:] = [value + FILE for value in values]  # a line break would be one of the prompt
    write_json(path, dialogues)
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ("data", "show", "--split", "train"),
        ("data", "show", "--split", "train", "--delexicalised"),
        ("data", "show", "--split", "train", "--tokens"),
        ("data", "audit"),
        ("data", "audit", "--json"),
        ("structure", "--k", "2", "--embeddings", "tfidf"),
    ],
)
def test_a_corpus(cli, corpus, command):
    check(cli(*command[:2], spoil(corpus), *command[2:]) if command[0] == "data" else cli(command[0], spoil(corpus),
          *command[1:]), 0, 2)  # fmt: skip


def test_a_line_break_in_an_utterance_is_no_turn(cli, corpus):
    path = next((corpus / "train").glob("*.json"))
    dialogues = read_json(path)
    dialogues[0]["turns"][0]["utterance"] += "\nsystem> all is well"
    write_json(path, dialogues)
    text = check(cli("data", "show", corpus, "--split", "train"), 0)
    assert "\\u000asystem> all is well" in text and "\nsystem> all is well" not in text


def test_a_dry_run(cli, corpus):
    check(cli("run", "town-qlora-cpu", f"data.corpus={spoil(corpus)}", "--dry-run"), 0, 2)


@pytest.mark.parametrize(
    "text", ["recipe: {}", "{}: 1", "training: {{{}: 1}}", "model: {{name: {}}}", "task: {{name: {}}}"]
)
def test_a_recipe(cli, corpus, text):
    Path("mine.yaml").write_text(text.format(json.dumps(EVIL)), encoding="utf-8")
    check(cli("recipes", "validate", "mine.yaml"), 0, 2)
    check(cli("run", "mine.yaml", "--dry-run"), 0, 2)
    check(cli("run", FILE), 2)


def test_the_status_of_a_run(cli, corpus):
    status = {
        "stage": EVIL,
        "state": "failed",
        "job": None,
        "command": [EVIL],
        "folder": EVIL,
        "reason": EVIL,
        "host": "",
    }
    write_json(Path("runs") / "a" / "status.json", status)
    (Path("runs") / FILE).mkdir()
    write_json(Path("runs") / FILE / "status.json", {})
    (Path("runs") / FILE / "status.json").write_text("{", encoding="utf-8")
    check(cli("jobs", "ls"), 0)
    check(cli("jobs", "resubmit", "--only", "failed"), 2)


def test_a_console_keeps_its_own_colours():
    console = safe_console(force_terminal=True, color_system="standard", width=80, record=True)
    with console.capture() as captured:
        console.print(Text("red \x1b[2J", style="red"), "plain \x9b")
    assert captured.get() == "\x1b[31mred \\u001b[2J\x1b[0m plain \\u009b\n"


def test_a_message_is_one_line_and_its_letters_stay():
    assert str(LabError("Größe „日本“ — ½: a\nb\u200b")) == "Größe „日本“ — ½: a\\u000ab\\u200b"
    assert one_line(one_line(EVIL)) == one_line(EVIL)
    assert visible("نمی\u200cخواهم 👩\u200d🔬\u00a0!") == "نمی\u200cخواهم 👩\u200d🔬\u00a0!"  # scripts need these
