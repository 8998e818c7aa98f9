"""`lab data` as a user types it: stdout, stderr, exit codes."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from command_line import lab
from tiny_corpus import write, write_tiny_corpus
from tiny_models import tiny_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_corpus(tmp_path / "tiny")


def test_show_prints_whole_dialogues_without_colour_in_a_pipe(folder: Path, capsys: Any) -> None:
    assert lab("data", "show", str(folder), "--split", "train", "--n", "2") == 0
    out = capsys.readouterr().out
    assert out.count("  user> ") == 3 and "\x1b" not in out
    # Long lines are not cut at the width of a terminal.
    assert "bookpeople=2, bookday=monday, booktime=19:00|7 pm\n" in out


def test_show_one_dialogue_delexicalised(folder: Path, capsys: Any) -> None:
    assert lab("data", "show", str(folder), "--id", "tin0004", "--delexicalised") == 0
    assert "system> At the [name] in the [area].\n" in capsys.readouterr().out


def test_audit_prints_a_table_and_notes(folder: Path, capsys: Any) -> None:
    assert lab("data", "audit", str(folder)) == 0
    out = capsys.readouterr().out
    assert "system turns" in out and "leakage: none" in out and "dropped: nothing" in out


def test_audit_as_json_with_model_tokens(folder: Path, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("transformers", reason="transformers (extra `train`) is not installed")
    tokenizer = tiny_tokenizer(tmp_path / "model")
    assert lab("data", "audit", str(folder), "--json", "--tokenizer", str(tmp_path / "model")) == 0
    result = json.loads(capsys.readouterr().out)
    texts = [
        turn["utterance"] for d in json.loads((folder / "dev/dialogues_001.json").read_text()) for turn in d["turns"]
    ]
    assert result["splits"][1]["tokens"] == sum(len(tokenizer.tokenize(text)) for text in texts) > 0
    assert result["unmapped"] == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "twon"], "error: no corpus and no folder is called 'twon'; did you mean 'town'?"),
        (["show", "{folder}", "--split", "tset"], "did you mean 'test'?"),
        (["fetch", "multiwoz23"], "no corpus called 'multiwoz23' can be fetched; did you mean 'multiwoz22'?"),
        (["audit", "{folder}/dev"], "schema.json: no such file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words: list[str], message: str, folder: Path, capsys: Any) -> None:
    assert lab("data", *(word.format(folder=folder) for word in words)) == 2
    streams = capsys.readouterr()
    assert message in streams.err and streams.err.count("\n") == 1 and streams.out == ""


def test_fetch_goes_to_the_cache_folder_from_the_mirror(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    served = tmp_path / "served"
    write_tiny_corpus(served / "pin")
    entry = {"target": "tiny/schema.json", "path": "pin/schema.json", "size": None}
    entry["sha256"] = hashlib.sha256((served / "pin/schema.json").read_bytes()).hexdigest()
    write(tmp_path / "manifests/tiny.json", {"base": "http://127.0.0.1:9/nowhere", "files": [entry]})
    monkeypatch.setattr("lab_lib.corpora.fetch.MANIFESTS", tmp_path / "manifests")
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mirror = f"http://127.0.0.1:{server.server_address[1]}"
        assert lab("data", "fetch", "tiny", "--mirror", mirror) == 0
        server.shutdown()
    assert capsys.readouterr().out == f"{tmp_path / 'cache'}\n"
    assert (tmp_path / "cache/tiny/schema.json").read_bytes() == (served / "pin/schema.json").read_bytes()


def test_make_writes_a_corpus_that_reads_and_audits(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "made"
    assert lab("data", "make", "--dialogues", "20", "--seed", "3", "--out", str(out)) == 0
    streams = capsys.readouterr()
    assert streams.out == f"{out}\n" and "20 + 3 + 3 dialogues" in streams.err
    assert lab("data", "audit", str(out), "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [split["dialogues"] for split in result["splits"]] == [20, 3, 3]
    assert result["leaks"] == [] and result["dropped"] == {} and result["unmapped"] == {}


def test_make_without_a_folder_names_one_after_its_settings(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert lab("data", "make", "--dialogues", "3", "--seed", "5") == 0
    assert (tmp_path / "town-3-seed5" / "data.json").exists()


def test_show_tokens_marks_what_a_model_learns(folder: Path, tmp_path: Path, capsys: Any) -> None:
    from tiny_models import tiny_llama

    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"model:\n  name: {tiny_llama(tmp_path / 'model')}\n")
    assert lab("data", "show", str(folder), "--tokens", "--recipe", str(recipe)) == 0
    shown = capsys.readouterr().out
    assert "bot>\u00ab At the [name] in the [area].</s>\u00bb" in shown and "user> Where can I eat Indian?" in shown
