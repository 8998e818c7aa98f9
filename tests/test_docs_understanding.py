"""docs/understanding.md: lab takes every command, those on the desk run one after another, and routes are all named."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from command_line import commands, lab, parse
from module_files import write_module

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "understanding.md").read_text("utf-8")
TABLE = [shlex.split(found)[1:] for found in re.findall(r"`(lab [^`]+)`", PAGE.split("## Coming from dug")[1])]
VERBS = ("ask", "add", "index", "lint", "convert", "rows")
HERE = re.compile(r"\bsgd\b|runs/|corpus=sgd")  # needs data that is not bundled, or a trained run
WORDS = ["retrieval.exemplars=tfidf", "retrieval.descriptions=tfidf"]


@pytest.mark.parametrize("words", TABLE, ids=" ".join)
def test_the_commands_of_the_table_are_ones_that_lab_takes(words):
    parse(words)


def test_every_row_of_the_table_has_both_sides_and_every_route_its_line():
    rows = [line.split(" | ") for line in PAGE.split("## Coming from dug")[1].splitlines() if line.startswith("| ")]
    assert len(rows) > 10 and all(len(row) == 3 for row in rows)
    pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
    from lab_lib.serve.http.app import make_app
    from lab_lib.serve.http.understand import MOST, router
    from lab_lib.serve.understanding import Understanding

    paths = make_app([router(Understanding([], lambda: None))]).openapi()["paths"]
    assert set(paths) == set(re.findall(r"^\| `POST (\S+)` \|", PAGE, re.MULTILINE)) and f"up to {MOST} of each" in PAGE


def test_the_commands_run_one_after_another(tmp_path: Path, monkeypatch, capsys):
    """Those of the page build and put right one index; those of the table get its words for INDEX, OTHER and DIR."""
    monkeypatch.chdir(tmp_path)
    write_module(tmp_path, exemplars=None, recognisers=None)
    office = write_module(tmp_path / "office")
    places = {"INDEX": "desk-index", "OTHER": "office-index", "DIR": "office"}
    page = [words for words in commands(PAGE) if words[0] == "understand" and words[1] in VERBS]
    assert lab("understand", "index", "--out", "office-index", f"corpus={office}", *WORDS) == 0
    ran = 0
    for words in [*page, *(words for words in TABLE if words[1] in VERBS)]:
        new = {"INDEX": "made"} if words[1] == "index" else {}  # the others name the index of the page
        given = [{**places, **new}.get(word, word.replace("=DIR", "=office")) for word in words]
        if HERE.search(" ".join(given)) or given[1] == "convert":
            continue
        if "schema.json" in given:
            given += ["--set", WORDS[0], "--set", WORDS[1]]
        if "city" in given:
            given[2] = "office-index"
            given[-1] = "destination"
        if given[1] in ("index", "rows"):
            given += WORDS
        code = lab(*given)
        assert code in ((0, 1) if given[1] in ("ask", "lint") else (0,)), (given, capsys.readouterr().err)
        ran += 1
    assert ran > 14
    assert 'find_book(title="Night Ferry", format="large print")\n' in capsys.readouterr().out
