"""A judge in a minute: tf-idf of words and of pieces of words, and logistic regression.

Priors are kept: with `class_weight="balanced"` such a judge finds an emotion in every second neutral utterance, and its
accuracy falls from .85 to .59 on DailyDialog. Kept as arrays and JSON: nothing in it is code.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.corpora.dailydialog.types import EMOTIONS
from lab_lib.errors import LabError
from lab_lib.evaluation.judges.labelled import Labelled
from lab_lib.files import atomic_open, read_json, reading, write_json

# Words and pairs of them, and 2 to 5 characters inside words (endings, spelling). Of pieces that occur once or twice
# nothing is learned.
WORDS = {"ngram_range": (1, 2), "min_df": 2, "sublinear_tf": True, "token_pattern": r"(?u)\b\w+\b|[!?]+"}
PIECES = {"analyzer": "char_wb", "ngram_range": (2, 5), "min_df": 3, "sublinear_tf": True}
KINDS = {"words": WORDS, "pieces": PIECES}
STRENGTH = 4.0  # inverse of the regularisation
TOLERANCE, STEPS = 1e-4, 300  # of the gradient and the steps of L-BFGS


class TfidfJudge:
    """Knows words alone: what was said before is not read."""

    name = "tfidf"
    context = 0

    def __init__(self, vocabularies: dict[str, list[str]], idf: dict[str, np.ndarray], weights: np.ndarray) -> None:
        """`weights` (features + 1, emotions): the last row is added to all texts. See `fit_tfidf` and `read_tfidf`."""
        self.vocabularies, self.idf, self.weights = vocabularies, idf, weights

    def probabilities(self, texts: Sequence[str], before: Sequence[str] = ()) -> np.ndarray:
        """Return (texts, emotions); each row sums to 1."""
        from scipy.sparse import hstack

        table = hstack([maker.transform(texts) for maker in self._makers.values()]).tocsr()
        return softmax(table @ self.weights[:-1] + self.weights[-1])

    @cached_property
    def _makers(self) -> dict[str, Any]:
        makers = {}
        for kind, vocabulary in self.vocabularies.items():
            maker = _maker(kind, vocabulary={piece: place for place, piece in enumerate(vocabulary)})
            maker.idf_ = self.idf[kind]
            makers[kind] = maker
        return makers

    def write(self, folder: Path) -> None:
        """Write the judge into a folder."""
        write_json(folder / "vocabulary.json", self.vocabularies)
        with atomic_open(folder / "weights.npz", "wb") as stream:
            arrays: dict[str, Any] = {"weights": self.weights, **self.idf}
            np.savez_compressed(stream, **arrays)


def read_tfidf(folder: Path) -> TfidfJudge:
    """Return the judge that `write` wrote. Raises LabError for a damaged folder."""
    vocabularies = read_json(folder / "vocabulary.json")
    with reading(folder / "weights.npz", "the weights of a judge"):
        arrays = dict(np.load(folder / "weights.npz", allow_pickle=False))
        idf = {kind: arrays[kind] for kind in KINDS}
    size = 1 + sum(map(len, vocabularies.values()))
    if arrays["weights"].shape != (size, len(EMOTIONS)):
        raise LabError(f"{folder}: weights of shape {arrays['weights'].shape}, expected {(size, len(EMOTIONS))}")
    return TfidfJudge(vocabularies, idf, arrays["weights"])


def fit_tfidf(data: Labelled) -> TfidfJudge:
    """Fit a judge on labelled utterances. Raises LabError when the package is missing or an emotion never occurs."""
    require_sklearn()
    from scipy.sparse import hstack
    from sklearn.linear_model import LogisticRegression

    if missing := [name for number, name in enumerate(EMOTIONS) if not (data.labels == number).any()]:
        raise LabError(f"judge tfidf: no utterance with {missing[0]} to learn from")
    makers = {kind: _maker(kind) for kind in KINDS}
    table = hstack([maker.fit_transform(data.texts) for maker in makers.values()]).tocsr()
    fitted = LogisticRegression(C=STRENGTH, tol=TOLERANCE, max_iter=STEPS).fit(table, data.labels)
    weights = np.vstack([fitted.coef_.T, fitted.intercept_]).astype(np.float32)
    vocabularies = {kind: list(map(str, maker.get_feature_names_out())) for kind, maker in makers.items()}
    return TfidfJudge(vocabularies, {kind: maker.idf_.astype(np.float32) for kind, maker in makers.items()}, weights)


def require_sklearn() -> None:
    """Raise LabError, naming the extra, when scikit-learn is missing."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise LabError("judge tfidf needs the package scikit-learn: pip install -e '.[structure]'") from None


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return rows of scores as probabilities."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def _maker(kind: str, **more: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    settings = {key: value for key, value in KINDS[kind].items() if not (more and key == "min_df")}
    return TfidfVectorizer(**settings, **more)
