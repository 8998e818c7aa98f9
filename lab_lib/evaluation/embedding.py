"""How close texts are in meaning, by sentence embeddings: needs no reference reply.

A reply that answers the user is usually similar in meaning to the user's words, so the cosine with the user's utterance
measures relevance without a reference. It does not measure truth: "it is in the north" and "it is in the south" are
close. Use it to compare systems, with the gold replies as the reference row. A single number has no meaning, and
numbers of different embedding models cannot be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab_lib.errors import LabError


def embedding_similarity(replies: Sequence[str], others: Sequence[str], embedder: Any) -> np.ndarray:
    """Return the cosine (-1 to 1) between each reply and the text beside it: the user's words, or a reference.

    Each distinct text is encoded once. Raises LabError unless there are equally many.
    """
    if len(replies) != len(others):
        raise LabError(f"embeddings: {len(replies)} replies for {len(others)} other texts, expected one each")
    if not len(replies):
        return np.zeros(0)
    place = {text: number for number, text in enumerate(dict.fromkeys([*replies, *others]))}
    vectors = embedder.encode(list(place), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
    left, right = (vectors[[place[text] for text in side]].astype(np.float64) for side in (replies, others))
    return np.sum(left * right, axis=1)
