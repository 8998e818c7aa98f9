"""The contents of a prompt: the functions and exemplars that a retriever finds for an utterance."""

from __future__ import annotations

import random
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

import numpy as np

from lab_lib.errors import LabError
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.models.embedders import MINILM, minilm_folder, require_embedder
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.ranking import NOWHERE
from lab_lib.retrieval.retriever import Query, Retriever
from lab_lib.tasks.schema_guided_text import Said, Shown, offered

POOL = 16  # retrieved exemplars that are searched for those of the chosen function
Choice = Literal["nearest", "random"]


def require_retrieval(config: RetrievalConfig) -> None:
    """Raise LabError for a missing package or embedding model that retrieval needs. Loads nothing."""
    if config.needs_model:
        if config.embeddings == MINILM:
            minilm_folder()
        else:
            require_embedder(config.embeddings)
    needed = {"sklearn": "scikit-learn", **({"bm25s": "bm25s"} if config.exemplars in ("keyword", "fused") else {})}
    for module, package in needed.items():
        if find_spec(module) is None:
            raise LabError(f"retrieval needs the package {package}: pip install -e '.[retrieval]'")


def shown_for(
    retriever: Retriever,
    said: Sequence[Said],
    descriptions: int,
    exemplars: int,
    choice: Choice = "nearest",
    seed: int = 0,
) -> list[Shown]:
    """Return the contents of the prompts of each utterance: functions by description and of exemplars, best first.

    `random` exemplars are drawn with the seed; the functions on offer are then those of descriptions alone.
    """
    asked = [Query(one.utterance, one.context.frame) for one in said]
    if not asked:
        return []
    ranked = retriever.functions(asked, descriptions)
    places = retriever.places(asked, max(exemplars, POOL)) if choice == "nearest" else np.full((len(asked), 0), NOWHERE)
    found = []
    for one, row, near in zip(said, ranked, places, strict=True):
        names = [retriever.names[place] for place in row if place != NOWHERE]
        like = [retriever.exemplars[place] for place in near if place != NOWHERE] if exemplars else []
        if choice == "random":
            found.append(Shown(offered(names, []), tuple(_drawn(retriever, one, exemplars, seed))))
        else:
            found.append(Shown(offered(names, like[:exemplars]), tuple(like[:exemplars]), tuple(like)))
    return found


def _drawn(retriever: Retriever, said: Said, count: int, seed: int) -> list[AnnotatedExemplar]:
    others = [one for one in retriever.exemplars if one.utterance != said.utterance]
    return random.Random(f"{seed} {said.key}").sample(others, min(count, len(others)))
