"""Routes of modules with an index: what an utterance means, and what is like it."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from lab_lib.exemplars.types import Context
from lab_lib.serve.http.problems import documented
from lab_lib.serve.understanding import Understanding
from lab_lib.understand.converter import LONGEST
from lab_lib.understand.understood import Evidence, Understood

MOST = 64  # descriptions, and exemplars, of one answer
NAME = 64  # characters of the name of a function or slot


class Utterance(BaseModel):
    """What is said, the function that is open then, and the slot that was asked for; "": none."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1, max_length=LONGEST)
    frame: str = Field("", max_length=NAME)
    slot: str = Field("", max_length=NAME)


class Retrieve(Utterance):
    """How many descriptions and exemplars are wanted."""

    descriptions: int = Field(8, ge=0, le=MOST)
    exemplars: int = Field(8, ge=0, le=MOST)


def router(understanding: Understanding) -> APIRouter:
    """Return the routes /understand and /retrieve."""
    routes = APIRouter()
    refusals = documented(400, 413, 415, 422, 503)

    @routes.post("/understand", responses=refusals)
    def understand(said: Utterance) -> Understood:
        """Return the checked call that an utterance means, or why there is none, with the evidence."""
        return understanding.understand(said.text, Context(said.frame, said.slot))

    @routes.post("/retrieve", responses=refusals)
    def retrieve(said: Retrieve) -> Evidence:
        """Return the descriptions and exemplars most like an utterance, with their scores."""
        return understanding.retrieve(said.text, Context(said.frame, said.slot), (said.descriptions, said.exemplars))

    return routes
