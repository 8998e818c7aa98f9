"""Rankers, their fusion, the index folder, and recall without the item itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exemplar_dialogues import exemplar
from static_embedder import static_embedder

from lab_lib.errors import LabError
from lab_lib.exemplars.corpus import load_exemplars
from lab_lib.exemplars.schema_functions import Document
from lab_lib.exemplars.types import Context
from lab_lib.retrieval import index as index_module
from lab_lib.retrieval import vectors as vectors_module
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.index import load_index, save_index
from lab_lib.retrieval.keyword import KeywordRanker, TfidfRanker
from lab_lib.retrieval.ranking import NOWHERE
from lab_lib.retrieval.recall import Costs, Point, Retrieved, cheapest, grid, recall_at, retrieve, wilson
from lab_lib.retrieval.retriever import Query, Retriever
from lab_lib.retrieval.vectors import VectorRanker

TEXTS = ["can i have it", "a bed in Tolvey", "a boat to <east_quay>", "x"]


@pytest.mark.parametrize("ranker", [KeywordRanker.of(TEXTS), TfidfRanker(TEXTS)], ids=["bm25", "tfidf"])
def test_words_that_match_nothing_find_nothing(ranker):
    found = ranker.rank(["Can I have it?", "zebra", "", "boat bed bed", "can"], k=3)
    assert found.shape == (5, 3)
    assert found[0].tolist() == [0, NOWHERE, NOWHERE]  # stopwords are words, and a score of 0 is no match
    assert (found[[1, 2]] == NOWHERE).all()
    assert set(found[3].tolist()) == {1, 2, NOWHERE} and found[4, 0] == 0


def test_texts_without_a_word_are_refused():
    for make in (KeywordRanker.of, TfidfRanker):
        with pytest.raises(LabError, match="no text has a word"):
            make(["?", "!"])


def test_a_graph_of_neighbours_finds_what_the_product_finds(tmp_path: Path, monkeypatch):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 24)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    exact = VectorRanker.of(vectors).rank_vectors(vectors[:40], 5)
    assert (exact[:, 0] == np.arange(40)).all()
    assert VectorRanker.of(vectors[:3]).rank_vectors(vectors[:2], 5)[:, 3:].tolist() == [[-1, -1], [-1, -1]]
    monkeypatch.setattr(vectors_module, "MANY", 100)
    graph = VectorRanker.of(vectors)
    assert graph.vectors is None
    graph.save(tmp_path)
    for one in (graph, VectorRanker.load(tmp_path)):
        found = one.rank_vectors(vectors[:40], 5)
        assert np.mean([len(set(a) & set(b)) for a, b in zip(found, exact, strict=True)]) > 4.9
        assert one.rank_vectors(vectors[:1], 5).shape == (1, 5)


def harbour(**settings) -> Retriever:
    rows = [exemplar("a", "a bed in Tolvey", "find_inn"), exemplar("b", "two beds for us", "find_inn")]
    rows += [exemplar("c", "book a bed now", "book_inn"), exemplar("d", "is there a boat", "find_boat")]
    documents = [Document("find_inn", "find a bed"), Document("find_inn", "look for places to sleep")]
    documents += [Document("book_inn", "book a bed"), Document("call_taxi", "call a taxi")]
    return Retriever(documents, rows, RetrievalConfig(**{"descriptions": "tfidf", "exemplars": "keyword", **settings}))


def test_an_utterance_is_no_neighbour_of_itself():
    retriever = harbour()
    assert [one.exemplar.key for one in retriever.found(Query("A bed in Tolvey!"), 3)] == ["c", "d"]
    assert retriever.found(Query("a bed in Harwick"), 3)[0].exemplar.key == "a"
    assert retriever.names == ("find_inn", "book_inn", "call_taxi", "find_boat")
    assert retriever.functions([Query("places with a bed")], 4).tolist() == [[0, 1, 2, NOWHERE]]  # each function once


def test_the_open_function_counts(tmp_path: Path):
    rows = [replace(exemplar(name, f"great, please book {name}", name), context=Context(frame))
            for name, frame in (("hotel", "find_hotel"), ("flight", "find_flight"))]  # fmt: skip
    model = str(static_embedder(tmp_path / "model", [one.utterance for one in rows]))
    for bonus, first in ((0.0, "hotel"), (2.0, "flight")):
        config = RetrievalConfig(embeddings=model, descriptions="tfidf", exemplars="embedding", same_frame=bonus)
        retriever = Retriever((), rows, config)
        found = retriever.found(Query("great, please book hotel now", frame="find_flight"), 2)
        assert found[0].exemplar.key == first
        assert len(retriever.found(Query("great", frame="never_seen"), 2)) == 2


def test_the_prompt_stands_before_queries_alone(tmp_path: Path):
    texts = ["query: find a bed", "a boat"]
    folder = static_embedder(tmp_path / "model", texts)
    plain, asking = Encoder(str(folder)), Encoder(str(folder), query_prompt="query: ")
    assert np.allclose(asking.queries(["find a bed"]), plain.symmetric(["query: find a bed"]), atol=1e-6)
    assert not np.allclose(asking.queries(["find a bed"]), asking.documents(["find a bed"]))
    for encoder in (plain, asking):
        assert np.allclose(encoder.documents(texts), plain.symmetric(texts)) and encoder.symmetric([]).shape == (0, 16)
    assert plain.digest() != asking.digest()


def desk_retriever(config: RetrievalConfig) -> Retriever:
    part = load_exemplars("desk").part("train")
    return Retriever(part.documents, part.exemplars, config)


def desk_model(folder: Path) -> Path:
    part = load_exemplars("desk").part("train")
    return static_embedder(folder, [*(one.utterance for one in part.exemplars), *(d.text for d in part.documents)])


def test_an_index_answers_after_loading_as_before(tmp_path: Path):
    part = load_exemplars("desk").part("train")
    queries = [Query.of(one) for one in load_exemplars("desk").part("dev").exemplars]
    for name, settings in {"words": ("tfidf", "keyword"), "both": ("embedding", "fused")}.items():
        model = str(desk_model(tmp_path / "model")) if name == "both" else "minilm"
        config = RetrievalConfig(embeddings=model, descriptions=settings[0], exemplars=settings[1])
        before = desk_retriever(config)
        after, functions = load_index(save_index(tmp_path / name, before, part.functions))
        assert functions.functions == part.functions.functions
        assert (after.places(queries, 8) == before.places(queries, 8)).all()
        assert (after.functions(queries, 8) == before.functions(queries, 8)).all()
    with pytest.raises(LabError, match="not empty"):
        save_index(tmp_path / "words", before, part.functions)


def damage(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, m: damage(f, "exemplars.jsonl", "beekeeping", "bee keeping"), "a stale index: exemplars changed"),
        (lambda f, m: damage(f, "documents.jsonl", "Pay a", "Pay the"), "a stale index: descriptions changed"),
        (lambda f, m: damage(f, "index.json", '"rank_constant": 60', '"rank_constant": 5'), "stale index: settings"),
        (lambda f, m: m.setattr(index_module, "CODE", ("index.py",)), "a stale index: code changed"),
        (lambda f, m: static_embedder(f.parent / "model", ["other", "words"]), "stale index: model and prompts"),
        (
            lambda f, m: (f / "keyword" / "params.index.json").write_text("{}"),
            "changed since the index was written",
        ),
        (lambda f, m: (f / "index.json").unlink(), "no such file"),
        (lambda f, m: (f / "index.json").write_text("{}"), "not an index"),
    ],
)
def test_a_stale_or_damaged_index_is_refused(tmp_path: Path, monkeypatch, change, message):
    config = RetrievalConfig(embeddings=str(desk_model(tmp_path / "model")), exemplars="fused")
    folder = save_index(tmp_path / "index", desk_retriever(config), load_exemplars("desk").part("train").functions)
    change(folder, monkeypatch)
    with pytest.raises(LabError, match=message):
        load_index(folder)


FOUND = Retrieved(
    names=("a", "b", "c"),
    gold=np.array([0, 1, 2, 2]),
    described=np.array([[0, 1], [0, 1], [0, -1], [0, 1]]),
    places=np.array([[0, 1], [0, 1], [1, 2], [-1, -1]]),
    owners=np.array([[0, 1], [0, 1], [1, 2], [-1, -1]]),
)


def test_recall_candidates_and_tokens_by_hand():
    points = {
        (p.descriptions, p.exemplars): p
        for p in grid(FOUND, Costs(np.array([10, 20, 30]), np.array([1, 2, 3])), (0, 1, 2), (0, 1, 2))
    }
    assert [points[d, e].recall for d, e in ((0, 0), (1, 0), (2, 0), (0, 2), (2, 2))] == [0, 0.25, 0.5, 0.75, 0.75]
    assert points[1, 1].candidates == (1 + 1 + 2 + 1) / 4
    assert points[1, 1].tokens == (10 + 1 + 10 + 1 + 30 + 2 + 10) / 4
    assert points[1, 1].low == pytest.approx(wilson(1, 4)[0]) and recall_at(FOUND.owners, FOUND.gold, 2) == 0.75


def test_the_cheapest_point_is_chosen_by_the_lower_end_of_its_interval():
    dear, sure = Point(8, 8, 0.999, 0.996, 1.0, 9.0, 900.0), Point(4, 4, 0.995, 0.991, 0.998, 5.0, 500.0)
    lucky = Point(1, 1, 0.993, 0.985, 0.997, 1.3, 90.0)
    assert cheapest([dear, lucky, sure], 0.99) == sure
    with pytest.raises(
        LabError, match=r"no k reaches a recall of 0.999: 8 descriptions and 8 exemplars reach 0.9990, at"
    ):
        cheapest([dear, lucky, sure], 0.999)


def test_a_query_that_nothing_can_answer_is_named():
    with pytest.raises(LabError, match="the index has neither a description nor an exemplar of 'fly'"):
        retrieve(harbour(), [exemplar("q", "fly me", "fly")], 2, 2)
    found = retrieve(harbour(), [exemplar("q", "call me a taxi", "call_taxi")], 2, 2)  # described, without an exemplar
    assert found.names[found.described[0, 0]] == "call_taxi" and replace(exemplar("a", "b", "c"), key="d").key == "d"
