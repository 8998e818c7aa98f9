"""Routes of the page and of programs that need more than a call: interpretation, probability, alternatives."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from lab_lib.calls.skills.skill import prompt_text, tool
from lab_lib.serve.answers import Answer
from lab_lib.serve.assistant import LONGEST, Assistant
from lab_lib.serve.http.problems import Refusal, documented
from lab_lib.serve.http.speech import understands_speech


class Ask(BaseModel):
    """What a person says; with `run` the calls are executed, on a server that was started with --run."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1, max_length=LONGEST)
    run: StrictBool = False


class Answers(BaseModel):
    """One answer for each request in what was said."""

    answers: list[Answer]


class Described(BaseModel):
    """A skill: its name, how a prompt describes it, and its tool in OpenAI's interface."""

    name: str
    prompt: str
    tool: dict[str, Any]


class Known(BaseModel):
    """What this server can do: its model, its skills, whether it runs calls and understands speech."""

    model: str
    skills: list[Described]
    threshold: float
    runs: bool
    speech: bool


def router(assistant: Assistant, key: str | None) -> APIRouter:
    """Return the routes /skills and /ask. `key` has to be known to run calls; None: none is run."""
    routes = APIRouter()

    @routes.get("/skills", responses=documented())
    def skills() -> Known:
        """Say what this server can do."""
        found = [Described(name=s.name, prompt=prompt_text(s), tool=tool(s)) for s in assistant.skills.values()]
        threshold, speech = assistant.threshold, understands_speech()
        return Known(model=assistant.name, skills=found, threshold=threshold, runs=bool(key), speech=speech)

    @routes.post("/ask", responses=documented(400, 413, 415, 422, 503))
    def ask(asked: Ask, x_run_key: Annotated[str, Header()] = "") -> Answers:
        """Return what was asked for; run it where that is asked for too and allowed."""
        if asked.run and key is None:
            raise Refusal(403, "calls are not run: the server was started without --run", "run")
        if asked.run and not secrets.compare_digest(x_run_key.encode(), (key or "").encode()):
            raise Refusal(403, "X-Run-Key: open the page that `lab serve --run` printed", "run")
        return Answers(answers=assistant.ask(asked.text, run=asked.run))

    return routes
