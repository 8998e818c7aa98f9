"""docs/coming-from.md: lab takes every command of the five tables, and the dry runs run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from command_line import lab, parse

from lab_lib.runs.config import load_recipe

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "coming-from.md").read_text("utf-8")
FOUND = [shlex.split(one)[1:] for one in re.findall(r"`(lab [^`]+)`", PAGE)]
COMMANDS = [list(words) for words in dict.fromkeys(map(tuple, FOUND))]
HUB = ("emotion-7b-gpu", "pythia-gpu")  # their models are on the hub, and nothing is fetched by a test


def test_every_origin_has_a_table_and_every_row_both_sides():
    tables = [part.split("\n|---|---|---|\n")[1].strip() for part in PAGE.split("\n## ")[1:]]
    rows = [line.split(" | ") for table in tables for line in table.splitlines()]
    assert len(tables) == 5 and all(len(row) == 3 and row[0].startswith("| ") for row in rows)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_lab_takes_the_command(words):
    parse(words)


def offline(words: list[str]) -> bool:
    """Return whether a dry run needs nothing but the package."""
    return words[1] not in HUB and load_recipe(words[1]).data.corpus in ("town", "desk", "everyday", "questions")


RUN = [words for words in COMMANDS if words[-1] == "--dry-run" and words[0] == "run" and offline(words)]


def test_most_settings_are_tried_in_a_dry_run():
    assert len(RUN) > 15


@pytest.mark.slow
@pytest.mark.parametrize("words", RUN, ids=" ".join)
def test_the_dry_runs_run(words, tmp_path, monkeypatch):
    """With the number type and the attention given: measuring them takes most of a dry run, and others test it."""
    monkeypatch.chdir(tmp_path)
    assert lab(*words, "model.dtype=fp32", "model.attention=auto") == 0
