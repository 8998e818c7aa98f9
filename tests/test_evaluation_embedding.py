"""Similarity by embeddings, with a model of one vector a word that is made here and saved as a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import lab
from tiny_corpus import write_tiny_corpus

from lab_lib.corpora.multiwoz import read_multiwoz
from lab_lib.errors import LabError
from lab_lib.evaluation.baselines import gold_replies
from lab_lib.evaluation.embedding import embedding_similarity
from lab_lib.files import read_json, write_json
from lab_lib.models.embedders import load_embedder

sentence_transformers = pytest.importorskip("sentence_transformers")
WORDS = ["the", "inn", "is", "in", "north", "south", "where", "that", "exactly", "at", "eat", "[name]", "[area]"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each word has a direction of its own, so a cosine counts shared words."""
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: number for number, word in enumerate(["[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    module = StaticEmbedding(tokenizer, embedding_weights=np.eye(len(vocabulary), dtype=np.float32))
    folder = tmp_path_factory.mktemp("embedder")
    sentence_transformers.SentenceTransformer(modules=[module]).save(str(folder))
    return folder


def test_cosines_by_hand(model: Path) -> None:
    embedder = load_embedder(str(model))
    found = embedding_similarity(["the inn", "the inn", "the inn"], ["inn the", "the north", "south"], embedder)
    assert found == pytest.approx([1, 0.5, 0], abs=1e-6)
    assert embedding_similarity([], [], embedder).shape == (0,)
    with pytest.raises(LabError, match="1 replies for 0 other texts"):
        embedding_similarity(["a"], [], embedder)


@pytest.mark.parametrize(("name", "message"), [("./nowhere", "no such folder"), ("nobody/nothing-here", "cannot load")])
def test_models_that_are_not_there(name: str, message: str) -> None:
    with pytest.raises(LabError, match=f"embedding model {name}: {message}"):
        load_embedder(name)


def test_lab_evaluate_says_how_near_replies_are_to_the_users_words(model, tmp_path, monkeypatch, capsys) -> None:
    corpus = write_tiny_corpus(tmp_path / "corpus")
    gold = gold_replies(read_multiwoz(corpus, corpus, "tiny").splits["test"])
    gold["tin0004"] = [{"response": "where the inn is"}, {"response": "south"}]
    target = write_json(tmp_path / "p.json", gold)
    monkeypatch.chdir(tmp_path)
    options = ["--corpus", corpus, "--metrics", "embedding", "--embedding-model", model]
    assert lab("evaluate", target, *options) == 0
    rows = read_json(tmp_path / "p.report.json")["rows"]
    assert list(rows) == ["gold replies", "random reply", "most frequent reply", "p"]
    scores = {name: row["values"]["relevance"] for name, row in rows.items()}
    assert -100 <= scores["p"] <= 100 and scores["p"] != scores["gold replies"]
    shown = " ".join(capsys.readouterr().err.split())
    assert "times 100" in shown and shown.count("System") == 1  # the only table: there are no other columns
