"""Embed utterances as unit vectors: by a sentence-transformers model, or by word counts.

Vectors of a model are cached in a folder under a hash of model and texts, so that another number of clusters needs no
second pass, and vectors of another model or corpus are never reused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.errors import LabError
from lab_lib.files import atomic_open
from lab_lib.models.embedders import MINILM, MINILM_SHA256, load_embedder, minilm_folder, weights_digest
from lab_lib.structure.cluster import unit

CHUNK = 256  # texts between two progress updates
TFIDF_WIDTH = 100  # dimensions after the truncated SVD

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Embedded:
    """Vectors (texts, width) of length 1, the name of the embeddings, and how many texts the model truncated."""

    vectors: np.ndarray
    name: str
    cut: int
    cached: bool


def embed(texts: Sequence[str], name: str, cache: Path, progress: Progress = lambda done: None) -> Embedded:
    """Return one unit vector per text; each distinct text is embedded once, and only if it is not in `cache`.

    `name` is as in StructureConfig.embeddings. `progress` receives the number of distinct texts that were completed.
    Raises LabError for a missing package or model; does not fall back to another model.
    """
    unique = list(dict.fromkeys(texts))
    place = {text: number for number, text in enumerate(unique)}
    rows = [place[text] for text in texts]
    if name == "tfidf":
        vectors = tfidf(unique)
        progress(len(unique))
        return Embedded(vectors[rows], name, 0, False)
    model = None if name == MINILM else load_embedder(name)
    path = cache / f"{_key(model, unique)}.npy"
    if path.exists():
        progress(len(unique))
        stored = np.load(path, allow_pickle=False)
        return Embedded(stored[:-1][rows], name, int(stored[-1, 0]), True)
    model = model or load_embedder(str(minilm_folder()))
    vectors, cut = _encode(unique, model, progress)
    # The last row holds the number of truncated texts.
    footer = np.full((1, vectors.shape[1]), cut, dtype=vectors.dtype)
    with atomic_open(path, "wb") as stream:
        np.save(stream, np.vstack([vectors, footer]), allow_pickle=False)
    return Embedded(vectors[rows], name, cut, False)


def tfidf(texts: Sequence[str], seed: int = 0) -> np.ndarray:
    """Return unit vectors of word and word-pair counts: tf-idf, reduced by a truncated SVD (Deerwester et al. 1990).

    Only words count: "cheap" and "inexpensive" are unrelated here. A text that has only rare words becomes zeros.
    """
    try:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError:
        raise LabError("embeddings tfidf need the package scikit-learn: pip install -e '.[structure]'") from None
    # Words in at least two utterances: a word in only one utterance relates no utterances.
    counts = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    try:
        table = counts.fit_transform(texts)
    except ValueError:
        raise LabError("embeddings tfidf: no word is in two utterances, so they cannot be compared") from None
    width = min(TFIDF_WIDTH, min(table.shape) - 1)
    if width < 1:
        raise LabError(f"embeddings tfidf: {len(texts)} different utterances are too few")
    return unit(TruncatedSVD(width, random_state=seed).fit_transform(table)).astype(np.float32)


def _encode(texts: Sequence[str], model: Any, progress: Progress) -> tuple[np.ndarray, int]:
    """Return the unit vectors of the texts, in order, and how many texts exceed the model's maximum length."""
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))  # equal lengths need little padding
    parts = []
    for start in range(0, len(order), CHUNK):
        chunk = [texts[number] for number in order[start : start + CHUNK]]
        parts.append(model.encode(chunk, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True))
        progress(len(chunk))
    vectors = np.empty((len(texts), parts[0].shape[1]), dtype=np.float32)
    vectors[order] = np.concatenate(parts)
    return vectors, _longer(texts, model)


def _longer(texts: Sequence[str], model: Any) -> int:
    """Return how many texts have more tokens than `max_seq_length`, the model's limit (None: no limit)."""
    limit = model.max_seq_length
    if limit is None or limit == float("inf"):
        return 0
    ids = model.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
    return sum(len(row) > limit for row in ids)


def _key(model: Any, texts: Sequence[str]) -> str:
    """Return 24 hex digits, a hash of the model's weights (not its name) and the texts."""
    weights = MINILM_SHA256 if model is None else weights_digest(model)
    parts = json.dumps([weights, list(texts)], ensure_ascii=False)
    return hashlib.sha256(parts.encode()).hexdigest()[:24]
