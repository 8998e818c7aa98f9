"""Batches of one function each, and tuning an embedder: it stops by recall, resumes, and never learns the queries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import lab
from exemplar_dialogues import exemplar
from static_embedder import static_embedder

from lab_lib.errors import LabError
from lab_lib.exemplars.corpus import load_exemplars
from lab_lib.exemplars.schema_functions import Document
from lab_lib.exemplars.select import words_of
from lab_lib.files import read_json
from lab_lib.retrieval import embedder as embedder_module
from lab_lib.retrieval.config import EmbedderConfig
from lab_lib.retrieval.encoder import Encoder
from lab_lib.retrieval.pairs import one_function_once, triples
from lab_lib.understand.embedder import TuneConfig, tune

ROWS = [exemplar(f"{name}{n}", f"{name} number {n}", name) for name in ("find", "book", "call") for n in range(8)]
DOCUMENTS = [Document(name, f"description of {name}") for name in ("find", "book", "call")]


def test_a_triple_has_another_text_of_its_function_and_a_wrong_one():
    neighbours = np.array([[(n + 1) % 24, (n + 9) % 24, n] for n in range(24)])
    made = triples(ROWS, DOCUMENTS, described=0.5, seed=0, neighbours=neighbours)
    assert len(made) == 24 and made == triples(ROWS, DOCUMENTS, 0.5, 0, neighbours)
    for one, triple in zip(ROWS, made, strict=True):
        assert triple.anchor == one.utterance and one.target_name in triple.positive
        assert words_of(triple.positive) != words_of(triple.anchor)
        assert triple.negative and one.target_name not in triple.negative
        assert triple.functions == (one.target_name, triple.negative.split()[0])
    share = sum(triple.positive.startswith("description") for triple in made) / len(made)
    assert 0.25 < share < 0.75
    assert triples(ROWS[:1], (), 0.0, 0) == []  # nothing to pair it with


@pytest.mark.parametrize("size", [2, 3, 8])
def test_a_batch_has_no_function_twice(size):
    rows = [("find",)] * 5 + [("book", "find")] * 4 + [("call",)] * 9 + [("sail", "dive")] * 3
    batches = list(one_function_once(rows, size, seed=1))
    for batch in batches:
        names = [name for place in batch for name in rows[place]]
        assert len(names) == len(set(names)) and 2 <= len(batch) <= size
    places = [place for batch in batches for place in batch]
    assert len(places) == len(set(places)) and batches == list(one_function_once(rows, size, seed=1))
    assert batches != list(one_function_once(rows, size, seed=2))


def desk(folder: Path, **settings) -> TuneConfig:
    part = load_exemplars("desk").part("train")
    texts = [*(one.utterance for one in part.exemplars), *(one.text for one in part.documents)]
    start = static_embedder(folder / "start", texts)
    common = {"start": str(start), "steps": 8, "batch": 8, "evaluate_every": 2, "learning_rate": 0.05, "hard": 4}
    common["layers"] = "all"
    return TuneConfig(embedder=EmbedderConfig(**{**common, **settings}))


def test_a_killed_tuning_resumes_and_ends_as_one_that_was_not(tmp_path: Path, monkeypatch):
    corpus, config, lines = load_exemplars("desk"), desk(tmp_path), []
    whole = tune(corpus, config, tmp_path / "whole", lines.append)
    figures = read_json(tmp_path / "whole" / "training.json")
    assert figures["tuned"]["recall"] == max(row["recall"] for row in figures["log"]) > figures["untuned"]["recall"]
    assert not (tmp_path / "whole" / "checkpoints").exists() and lines[-1].startswith("step ")

    asked = []

    class Killed(embedder_module.Judge):
        def __call__(self, encoder, config):
            asked.append(1)
            if len(asked) == 4:  # untuned, after 2 and 4 steps, and then it is killed
                raise KeyboardInterrupt
            return super().__call__(encoder, config)

    monkeypatch.setattr("lab_lib.understand.embedder.Judge", Killed)
    with pytest.raises(KeyboardInterrupt):
        tune(corpus, config, tmp_path / "killed", lines.append)
    assert not (tmp_path / "killed" / "model").exists()
    again = tune(corpus, config, tmp_path / "killed", lines.append)
    weights = [(folder / "model.safetensors").read_bytes() for folder in (whole, again)]
    assert weights[0] == weights[1]
    assert tune(corpus, config, tmp_path / "killed", lines.append) == again and "is complete" in lines[-1]
    with pytest.raises(LabError, match="begun with other settings"):
        tune(corpus, desk(tmp_path, steps=9), tmp_path / "killed", lines.append)


def test_a_layer_behind_the_model_learns_and_begins_with_adding_nothing(tmp_path: Path):
    corpus, lines = load_exemplars("desk"), []
    still = desk(tmp_path, layers="head", steps=1, learning_rate=1e-12)
    out = tune(corpus, still, tmp_path / "still", lines.append)
    figures = read_json(tmp_path / "still" / "training.json")
    assert figures["tuned"] == figures["untuned"]
    before, after = Encoder(still.embedder.start), Encoder(str(out))
    texts = ["a book about bread", "pay my fine"]
    assert np.allclose(before.symmetric(texts), after.symmetric(texts), atol=1e-5)

    again = [f"embedder.{name}={value}" for name, value in vars(still.embedder).items() if value is not None]
    given = ("understand", "train-embedder", "--out", tmp_path / "still", "--record", tmp_path / "r.json")
    assert lab(*given, f"learn_per_function={still.learn_per_function}", *again) == 0
    assert read_json(tmp_path / "r.json")["tuned"] == figures["tuned"] and read_json(tmp_path / "r.json")["commit"]

    config = desk(tmp_path, layers="head", steps=60, evaluate_every=20, learning_rate=0.01)
    out = tune(corpus, config, tmp_path / "moved", lines.append)
    figures = read_json(tmp_path / "moved" / "training.json")
    assert figures["tuned"]["recall"] == max(row["recall"] for row in figures["log"]) > figures["untuned"]["recall"]
    again = tune(corpus, config, tmp_path / "again", lines.append)
    assert np.array_equal(Encoder(str(out)).symmetric(texts), Encoder(str(again)).symmetric(texts))


def test_it_stops_when_the_recall_rises_no_more(tmp_path: Path):
    config = desk(tmp_path, steps=100, learning_rate=1e-9, patience=2)
    tune(load_exemplars("desk"), config, tmp_path / "out", lambda line: None)
    figures = read_json(tmp_path / "out" / "training.json")
    assert figures["log"][-1]["step"] == 6  # the first evaluation is the best, two more change nothing


def test_test_never_chooses(tmp_path: Path):
    with pytest.raises(LabError, match="queries=test"):
        tune(load_exemplars("desk"), TuneConfig(queries="test"), tmp_path, print)
