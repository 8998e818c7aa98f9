"""Ranking by shared words: BM25 (bm25s), and tf-idf (scikit-learn) as the baseline without a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.errors import LabError
from lab_lib.retrieval.ranking import padded

BLOCK = 512  # queries whose scores are in memory at once


def words(text: str) -> list[str]:
    """Return the words of a text. None is left out: `can i have it` would be two words without the stopwords.

    >>> words("Can I have <city>?")
    ['can', 'i', 'have', 'city']
    """
    return re.findall(r"\w+", text.lower())


class KeywordRanker:
    """BM25 over the words of texts. Texts that share no word with a query are not found."""

    def __init__(self, index: Any, size: int) -> None:
        self.index, self.size = index, size

    @classmethod
    def of(cls, texts: Sequence[str]) -> KeywordRanker:
        """Index some texts. Raises LabError for none that has a word, and without the package."""
        tokens = [words(text) for text in texts]
        if not any(tokens):
            raise LabError("keyword index: no text has a word")
        index = _bm25s().BM25()
        index.index(tokens, show_progress=False)
        return cls(index, len(texts))

    def save(self, folder: Path) -> None:
        """Write the index into a new folder."""
        self.index.save(folder, show_progress=False)

    @classmethod
    def load(cls, folder: Path, size: int) -> KeywordRanker:
        """Open a saved index of so many texts; its arrays stay on disk until they are needed."""
        return cls(_bm25s().BM25.load(folder, mmap=True, load_corpus=False), size)

    def rank(self, queries: Sequence[str], k: int) -> np.ndarray:
        """Return the best places for each query; a score of 0 is no match."""
        known = self.index.vocab_dict
        tokens = [[word for word in words(query) if word in known] for query in queries]
        asked = [place for place, found in enumerate(tokens) if found]
        rows: list[list[int]] = [[] for _ in queries]
        if asked:
            wanted = min(k, self.size)
            found = self.index.retrieve([tokens[n] for n in asked], k=wanted, show_progress=False, n_threads=0)
            for place, best, scores in zip(asked, found.documents, found.scores, strict=True):
                rows[place] = [int(one) for one, score in zip(best, scores, strict=True) if score > 0]
        return padded(rows, k)

    def scores(self, query: str, places: np.ndarray) -> np.ndarray:
        """Return the BM25 scores of some texts; they have no upper bound."""
        tokens = [word for word in words(query) if word in self.index.vocab_dict]
        return self.index.get_scores(tokens)[places] if tokens else np.zeros(len(places))


class TfidfRanker:
    """Cosine of tf-idf vectors over words and word pairs."""

    def __init__(self, texts: Sequence[str]) -> None:
        try:
            from sklearn.feature_extraction.text import TfidfVectorizer
        except ImportError:
            raise LabError("tf-idf needs the package scikit-learn: pip install -e '.[retrieval]'") from None
        self.counts = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
        try:
            self.table = self.counts.fit_transform(texts).T.tocsr()
        except ValueError:
            raise LabError("tf-idf index: no text has a word") from None

    def rank(self, queries: Sequence[str], k: int) -> np.ndarray:
        """Return the best places for each query; a cosine of 0 is no match."""
        rows = []
        for start in range(0, len(queries), BLOCK):
            cosines = (self.counts.transform(queries[start : start + BLOCK]) @ self.table).toarray()
            rows += [_best(row, k) for row in cosines]
        return padded(rows, k)

    def scores(self, query: str, places: np.ndarray) -> np.ndarray:
        """Return the cosines of some texts with a query."""
        return (self.counts.transform([query]) @ self.table[:, places]).toarray()[0]

    def nearest_others(self, places: np.ndarray) -> np.ndarray:
        """Return for some texts the cosine with the text most like each, itself left out."""
        found = []
        for place in places:
            cosines = (self.table[:, [place]].T @ self.table).toarray()[0]
            cosines[place] = -1.0
            found.append(cosines.max())
        return np.array(found)


def _best(scores: np.ndarray, k: int) -> list[int]:
    """Return the places of the k highest scores above 0, the first of equal ones first."""
    order = np.argsort(-scores, kind="stable")[:k]
    return [int(place) for place in order if scores[place] > 0]


def _bm25s() -> Any:
    try:
        import bm25s
    except ImportError:
        raise LabError("keyword indexes need the package bm25s: pip install -e '.[retrieval]'") from None
    return bm25s
