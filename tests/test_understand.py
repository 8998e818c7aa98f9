"""`lab understand` from end to end, offline: convert, index, find-k."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import commands, lab, parse
from exemplar_dialogues import SCHEMA, frame, user, write_sgd
from static_embedder import static_embedder

from lab_lib.errors import LabError
from lab_lib.exemplars.corpus import load_exemplars
from lab_lib.files import read_json
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.index import load_index
from lab_lib.retrieval.recall import require_recall, retrieve
from lab_lib.retrieval.retriever import Retriever
from lab_lib.understand.data import AskConfig, choose, unseen_queries
from lab_lib.understand.variants import VARIANTS

WORDS = ("retrieval.exemplars=tfidf", "retrieval.descriptions=tfidf")


def test_queries_share_no_words_with_the_index():
    corpus = load_exemplars("town")
    asked = choose(corpus, AskConfig(corpus="town", per_function=20, max_queries=50))
    words = {one.utterance.casefold().rstrip(".!?") for one in asked.exemplars}
    assert len(asked.exemplars) <= 20 * 8 and len(asked.queries) == 50
    assert not words & {one.utterance.casefold().rstrip(".!?") for one in asked.queries}
    unseen = unseen_queries(load_exemplars("desk"), AskConfig())
    assert {one.target_name for one in unseen} == {"find_ferry", "buy_ferry_ticket"}


def test_find_k_writes_points_and_pictures(tmp_path: Path, capsys):
    out = tmp_path / "k.json"
    assert lab("understand", "find-k", "wanted=0.8", *WORDS, "--out", out) == 0
    found = read_json(out)
    assert found["queries"] == 40 and found["chosen"]["low"] >= 0.8 and len(found["points"]) == 72
    assert found["commit"] and "--out" not in found["command"]
    cheaper = [point for point in found["points"] if point["tokens"] < found["chosen"]["tokens"]]
    assert all(point["low"] < 0.8 for point in cheaper)
    assert out.with_suffix(".png").stat().st_size > 10_000 and "<svg" in out.with_suffix(".svg").read_text()
    assert f"task.exemplars={found['chosen']['exemplars']}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        (("wanted=0.999",), 1, "no k reaches a recall of 0.999"),
        (("wanted=1",), 2, "expected a recall above 0 and below 1"),
        (("exemplars=[0]", "descriptions=[0]"), 2, "with one above 0"),
        (("retrieval.exemplar=tfidf",), 2, "unknown key 'exemplar'; did you mean 'exemplars'?"),
        (("corpus=desk2",), 2, "did you mean 'desk'?"),
    ],
)
def test_what_find_k_refuses(tmp_path: Path, capsys, settings, code, message):
    assert lab("understand", "find-k", *WORDS, *settings, "--out", tmp_path / "k.json") == code
    assert message in " ".join(capsys.readouterr().err.split())


def test_convert_and_index_a_corpus(tmp_path: Path, capsys):
    assert lab("understand", "convert", "town", "--out", tmp_path / "town", "--per-function", 5, "--nones", 3) == 0
    part = load_exemplars(str(tmp_path / "town")).part("train")
    assert (len(part.exemplars), len(part.nones)) == (40, 3)
    assert "town.train.twn0027.0" in capsys.readouterr().err  # what was left out is reported
    assert lab("understand", "convert", "town", "--out", tmp_path / "town") == 2
    settings = (f"corpus={tmp_path / 'town'}", "retrieval.exemplars=keyword", "retrieval.descriptions=tfidf")
    assert lab("understand", "index", *settings, "--out", tmp_path / "index") == 0
    retriever, functions = load_index(tmp_path / "index")
    assert len(retriever.exemplars) == 40 + 3 and len(functions) == 8  # with those that ask for nothing


def test_prompts_that_miss_the_function_are_refused():
    asked = choose(load_exemplars("desk"), AskConfig())
    config = RetrievalConfig(descriptions="tfidf", exemplars="tfidf")
    found = retrieve(Retriever(asked.documents, asked.exemplars, config), asked.queries, 8, 8)
    assert require_recall(found, 8, 8, 0.9, "dev") > 0.9
    with pytest.raises(
        LabError, match=r"dev: the right function is in .* expected 99.00 %; run `lab understand find-k`"
    ):
        require_recall(found, 1, 1, 0.99, "dev")


def test_rows_without_a_generator(capsys, tmp_path: Path):
    assert lab("understand", "rows", *WORDS) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in out] == [
        "known functions, nearest exemplar",
        "known functions, 11 nearest exemplars",
        "known functions, best description",
        "functions without an exemplar, best description",
    ]
    part = load_exemplars("desk").part("train")
    texts = [*(one.utterance for one in part.exemplars), *(one.text for one in part.documents)]
    folder = static_embedder(tmp_path / "model", texts)
    assert lab("understand", "rows", f"retrieval.embeddings={folder}", "--out", str(tmp_path / "rows.json")) == 0
    out = capsys.readouterr().out
    assert "known functions, logistic head: " in out and out.count("AUROC") == 3
    stored = read_json(tmp_path / "rows.json")
    assert stored["commit"] and len(stored["shares"]["known"]) == 4 and len(stored["shares"]["none"]) == 3


def test_sgd_x_is_measured_by_place(tmp_path: Path, capsys):
    """Variants rename services and intents; equal positions in the schemas match them."""
    said = (("find a bed", "Inns_1", "FindInn"), ("find a boat", "Boats_1", "FindBoat"))
    turns = [user(text, frame(name, intent, [("INFORM_INTENT", "intent", intent)])) for text, name, intent in said]
    dialogues = [{"dialogue_id": f"1_{n}", "services": [], "turns": [turn]} for n, turn in enumerate(turns)]
    folder = write_sgd(tmp_path / "sgd", "test", dialogues)
    for name in VARIANTS:
        worded = json.dumps(SCHEMA)
        if name == "v5":  # its descriptions say the opposite
            worded = (
                worded.replace("Find a bed", "xx").replace("Find a boat", "Find a bed").replace("xx", "Find a boat")
            )
        worded = (
            worded.replace("Inns_", "Lodgings_").replace('"FindInn"', '"GetPlace"').replace('"FindBoat"', '"GetShip"')
        )
        (folder / "sgd_x" / "data" / name / "test").mkdir(parents=True)
        (folder / "sgd_x" / "data" / name / "test" / "schema.json").write_text(worded)
    out = tmp_path / "x.json"
    settings = (f"corpus={folder}", "queries=test", "retrieval.descriptions=tfidf")
    assert lab("understand", "variants", *settings, "--out", out) == 0
    found = read_json(out)
    assert [found["by_variant"][name]["1"] for name in ("original", "v1", "v5")] == [1, 1, 0]
    assert found["average"]["1"] == pytest.approx(0.8) and found["machine"]
    assert found["sensitivity"]["1"] == pytest.approx(0.4472 / 0.8, abs=1e-3)  # 1, 1, 1, 1, 0 for both utterances
    assert "sensitivity" in capsys.readouterr().err
    assert lab("understand", "variants", f"corpus={folder}", "--out", out) == 2  # no dev split here


PAGE = commands((Path(__file__).resolve().parent.parent / "docs" / "understanding.md").read_text("utf-8"))


@pytest.mark.parametrize("words", PAGE, ids=" ".join)
def test_the_commands_of_the_page_are_ones_that_lab_takes(words):
    parse(words)
