"""A recording to text, where the extra `speech` is installed; one at a time, as with the model."""

from __future__ import annotations

import threading

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from lab_lib.serve.http.problems import Refusal, documented

BODY = {"requestBody": {"required": True, "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}}}}
LOCK = threading.Lock()


class Heard(BaseModel):
    """What was said in a recording; empty where nothing was."""

    text: str


def router() -> APIRouter:
    """Return the route /transcribe."""
    routes = APIRouter()

    @routes.post("/transcribe", responses=documented(413, 415, 422, 503), openapi_extra=BODY)
    async def transcribe(request: Request) -> Heard:
        """Write down what is said in a recording, in English: any format of audio that PyAV reads."""
        recording = await request.body()
        if not understands_speech():
            raise Refusal(503, "this server does not support speech: pip install -e '.[speech]'")
        return Heard(text=await run_in_threadpool(_heard, recording))

    return routes


def understands_speech() -> bool:
    """Return whether the extra `speech` is installed. Imports nothing heavy."""
    from lab_lib.errors import LabError
    from lab_lib.speech.weights import require_speech

    try:
        require_speech()
    except LabError:
        return False
    return True


def _heard(recording: bytes) -> str:
    from lab_lib.speech.recognise import recognise_bytes

    with LOCK:
        return recognise_bytes(recording, "the recording").text
