"""`lab structure` from the command line to the files it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import lab
from tiny_corpus import change, write_tiny_corpus

from lab_lib.files import read_json, read_jsonl

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
TRIVIAL = ["one cluster", "4 random clusters", "by speaker alone"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))


def test_the_bundled_corpus_from_end_to_end(tmp_path: Path, capsys) -> None:
    options = ["town", "--split", "dev", "--embeddings", "tfidf", "-k", 4, "--seeds", 2]
    assert lab("structure", *options, "--out", tmp_path / "one") == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == str(tmp_path / "one" / "structure.html")
    assert "60 dialogues, 818 utterances; 0 have no gold act" in printed.err and "V-measure" in printed.err
    names = {path.name for path in (tmp_path / "one").iterdir()}
    pictures = {"graph.dot", "graph.png", "graph.svg", "acts.png", "acts.svg"}
    assert names == {"structure.html", "structure.json", "utterances.jsonl"} | pictures
    record = read_json(tmp_path / "one" / "structure.json")
    scores = {name: row["v_measure"]["mean"] for name, row in record["agreement"].items()}
    assert list(scores) == [*TRIVIAL, "utterance alone", "with the one before"]
    assert scores["one cluster"] == 0 and scores["4 random clusters"] < 10 < scores["utterance alone"]
    rows = read_jsonl(tmp_path / "one" / "utterances.jsonl")
    assert len(rows) == 818 and sum(c["size"] for c in record["clusters"]) == 818
    assert {row["cluster"] for row in rows} == {1, 2, 3, 4}
    starts, ends = record["transitions"][-1], [row[-1] for row in record["transitions"]]
    assert sum(starts) == sum(ends) == 60

    assert lab("structure", *options, "--out", tmp_path / "two") == 0
    for name in ("utterances.jsonl", "graph.dot", "acts.svg"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()


def test_without_graphviz_the_graph_is_drawn_here(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    corpus = write_tiny_corpus(tmp_path / "tiny")
    options = [corpus, "--split", "train,test", "--embeddings", "tfidf", "-k", 2, "--history", 0]
    assert lab("structure", *options, "--out", tmp_path / "out") == 0
    assert "graph drawn by matplotlib (Graphviz's program dot is not installed" in capsys.readouterr().err
    assert "<svg" in (tmp_path / "out" / "graph.svg").read_text()
    assert (tmp_path / "out" / "graph.dot").read_text().startswith("digraph")


def test_a_corpus_without_acts_is_clustered_and_not_scored(tmp_path: Path, capsys) -> None:
    corpus = write_tiny_corpus(tmp_path / "tiny")
    change(corpus / "dialog_acts.json", lambda acts: acts.clear())
    options = [corpus, "--embeddings", "tfidf", "-k", 2, "--out", tmp_path / "out"]
    assert lab("structure", *options) == 0
    assert "6 have no gold act" in capsys.readouterr().err
    assert read_json(tmp_path / "out" / "structure.json")["agreement"] == {}
    assert not (tmp_path / "out" / "acts.png").exists()
    assert "Agreement with the gold acts" not in (tmp_path / "out" / "structure.html").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--split", "trian"], "no split 'trian'; did you mean 'train'?"),
        (["--domain", "bakery"], "no dialogue of domain 'bakery'"),
        (["-k", 700], "different utterances cannot make 700 clusters"),
        (["-k", 1], "must be at least 2"),
        (["--history", 2], "history=2: 0 (the utterance alone) or 1"),
        (["--embeddings", "./nowhere"], "embedding model ./nowhere: no such folder"),
    ],
)
def test_bad_input_is_one_line(options: list[object], message: str, tmp_path: Path, capsys) -> None:
    corpus = write_tiny_corpus(tmp_path / "tiny")
    given = options if "--embeddings" in options else [*options, "--embeddings", "tfidf"]
    assert lab("structure", corpus, *given, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.real
def test_real_restaurant_dialogues_beat_the_trivial_rows(lab_data: Path, tmp_path: Path) -> None:
    options = ["--split", "dev", "--domain", "restaurant", "--embeddings", "tfidf", "--seeds", 2]
    assert lab("structure", "multiwoz22", *options, "--out", tmp_path) == 0
    record = read_json(tmp_path / "structure.json")
    assert record["dialogues"] == 452 and record["utterances"] == 7004
    v = {name: row["v_measure"] for name, row in record["agreement"].items()}
    trivial = max(v[name]["high"] for name in ("one cluster", "12 random clusters", "by speaker alone"))
    assert v["with the one before"]["low"] > trivial
