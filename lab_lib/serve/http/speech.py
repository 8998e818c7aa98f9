"""A recording to text, where the extra `speech` is installed."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel

from lab_lib.serve.http.problems import documented

BODY = {"requestBody": {"required": True, "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}}}}


class Heard(BaseModel):
    """What was said in a recording; empty where nothing was."""

    text: str


def router() -> APIRouter:
    """Return the route /transcribe."""
    routes = APIRouter()

    @routes.post("/transcribe", responses=documented(413, 415, 422, 503), openapi_extra=BODY)
    async def transcribe(request: Request) -> Heard:
        """Write down what is said in a recording: any format that the recogniser reads."""
        raise NotImplementedError(len(await request.body()))

    return routes
