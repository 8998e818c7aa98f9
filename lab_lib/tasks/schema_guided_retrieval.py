"""The contents of a prompt: the functions and exemplars that a retriever finds for an utterance."""

from __future__ import annotations

import random
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

from lab_lib.errors import LabError
from lab_lib.exemplars.select import words_of
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.models.embedders import MINILM, minilm_folder, require_embedder
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.ranking import NOWHERE
from lab_lib.retrieval.retriever import Query, Retriever
from lab_lib.tasks.schema_guided_text import Said, Shown, offered

# Retrieved exemplars, nearest first: those of the chosen function show its slots, those of the others fill a prompt
# without its own. Of one function an index has at most 40 by default, so there are always others.
POOL = 48
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

    `random` exemplars are drawn with the seed among those of the functions that are on offer with `nearest`.
    """
    asked = [Query(one.utterance, one.context.frame) for one in said]
    if not asked:
        return []
    ranked = retriever.functions(asked, descriptions)
    places = retriever.places(asked, max(exemplars, POOL))
    found = []
    for one, row, near in zip(said, ranked, places, strict=True):
        names = [retriever.names[place] for place in row if place != NOWHERE]
        like = [retriever.exemplars[place] for place in near if place != NOWHERE] if exemplars else []
        functions = offered(names, like[:exemplars])
        used = like[:exemplars] if choice == "nearest" else _drawn(retriever, one, functions, exemplars, seed)
        found.append(Shown(functions, tuple(used), tuple(like)))
    return found


def _drawn(
    retriever: Retriever, said: Said, functions: Sequence[str], count: int, seed: int
) -> list[AnnotatedExemplar]:
    own = words_of(said.utterance)
    others = [one for one in retriever.exemplars if one.target_name in functions and words_of(one.utterance) != own]
    return random.Random(f"{seed} {said.key}").sample(others, min(count, len(others)))
