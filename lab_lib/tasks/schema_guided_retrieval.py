"""What stands in a prompt: the functions and exemplars that a retriever finds for an utterance."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

import numpy as np

from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.retrieval.ranking import NOWHERE
from lab_lib.retrieval.retriever import Query, Retriever
from lab_lib.tasks.schema_guided_text import Said, Shown, offered

Choice = Literal["nearest", "random"]


def shown_for(
    retriever: Retriever,
    said: Sequence[Said],
    descriptions: int,
    exemplars: int,
    choice: Choice = "nearest",
    seed: int = 0,
) -> list[Shown]:
    """Return what is shown for each utterance: functions by description and those of exemplars, the best first.

    `random` exemplars are drawn with the seed instead; the functions on offer are then those of descriptions alone.
    """
    asked = [Query(one.utterance, one.context.frame) for one in said]
    if not asked:
        return []
    ranked = retriever.functions(asked, descriptions)
    places = retriever.places(asked, exemplars) if choice == "nearest" else np.full((len(asked), 0), NOWHERE)
    found = []
    for one, row, near in zip(said, ranked, places, strict=True):
        names = [retriever.names[place] for place in row if place != NOWHERE]
        like = [retriever.exemplars[place] for place in near if place != NOWHERE]
        functions = offered(names, like)
        found.append(Shown(functions, tuple(like if choice == "nearest" else _drawn(retriever, one, exemplars, seed))))
    return found


def _drawn(retriever: Retriever, said: Said, count: int, seed: int) -> list[AnnotatedExemplar]:
    others = [one for one in retriever.exemplars if one.utterance != said.utterance]
    return random.Random(f"{seed} {said.key}").sample(others, min(count, len(others)))
