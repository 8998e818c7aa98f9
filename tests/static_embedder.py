"""An embedding model of one vector a word, made in a moment: it can be saved, loaded and tuned like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def static_embedder(folder: Path, texts: list[str], width: int = 16, seed: int = 0) -> Path:
    """Save a model that knows the words of some texts, each in a direction of its own; return its folder."""
    package = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    words = sorted({word for text in texts for word in text.lower().split()})
    vocabulary = {word: number for number, word in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    weights = np.random.default_rng(seed).normal(size=(len(vocabulary), width)).astype(np.float32)
    package.SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)]).save(str(folder))
    return folder
