"""ROUGE-1, -2, -L and -Lsum of replies, by Google's rouge-score (a plain mean of F over replies, times 100).

Two numbers with different stemmer flags cannot be compared; papers seldom say theirs. So the flag is part of
every signature here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab_lib.errors import LabError

KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")


def rouge_fmeasures(replies: Sequence[str], references: Sequence[str], stemmer: bool) -> np.ndarray:
    """Return floats (replies, 4): F (0 to 1) of ROUGE-1, -2, -L, -Lsum of each reply against its one reference.

    Only a-z and 0-9 count as text: a reply without any scores 0. Lsum takes each line as a sentence.
    """
    scorer = _scorer(stemmer)
    known: dict[tuple[str, str], list[float]] = {}
    for reply, reference in zip(replies, references, strict=True):
        if (reply, reference) not in known:
            found = scorer.score(reference, reply)
            known[reply, reference] = [found[kind].fmeasure for kind in KINDS]
    rows = [known[pair] for pair in zip(replies, references, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(len(replies), len(KINDS))


def signature(stemmer: bool) -> str:
    """Return what the ROUGE figures depend on."""
    from importlib.metadata import version

    return f"rouge:mean-F|stemmer:{'yes' if stemmer else 'no'}|rouge-score:{version('rouge-score')}"


def _scorer(stemmer: bool) -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise LabError("ROUGE needs the package rouge-score: pip install rouge-score") from None
    return RougeScorer(list(KINDS), use_stemmer=stemmer)
