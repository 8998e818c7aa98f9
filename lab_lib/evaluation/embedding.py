"""How close texts are in meaning, by sentence embeddings: needs no reference reply.

A reply that answers the user is usually near the user's words in meaning, so the cosine with the user's utterance
says something about relevance without a reference. It says nothing about truth: "it is in the north" and "it is in
the south" are close. Compare systems by it, with the gold replies as the row to measure against; the number alone
means nothing, and numbers of two embedding models cannot be compared.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from lab_lib.errors import LabError, cut
from lab_lib.files import expanded

HUB_NAME = r"[\w./-]{1,200}"


def load_embedder(name: str) -> Any:
    """Return the sentence-transformers model in a folder, or of a hub name that is in the local cache or can be loaded.

    Raises LabError when the package is missing or the model cannot be loaded.
    """
    require_embedder(name)
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(str(expanded(name)) if os.path.isdir(expanded(name)) else name)
    except Exception as error:  # foreign files raise whatever the library meets in them
        reason = " ".join(str(error).split())[:200]
        raise LabError(f"embedding model {name}: cannot load, expected a folder or hub name: {reason}") from error


def require_embedder(name: str) -> None:
    """Raise LabError when the package of embedding models is missing, or a name is neither a folder nor a hub name."""
    folder = os.path.isdir(expanded(name))
    if not folder and (name.startswith((".", "/", "~")) or name.count("/") > 1 or not re.fullmatch(HUB_NAME, name)):
        raise LabError(f"embedding model {cut(name)}: no such folder, and no hub name (owner/name)")
    package = "sentence_transformers"
    if sys.modules.get(package) is None and (package in sys.modules or find_spec(package) is None):
        raise LabError("embeddings need the package sentence-transformers: pip install -e '.[embeddings]'")


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
