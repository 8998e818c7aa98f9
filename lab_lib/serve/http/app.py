"""The application: routers behind one guard, every refusal in one error model; and serving it."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from rich.console import Console
from starlette.exceptions import HTTPException

from lab_lib.errors import LabError, one_line
from lab_lib.serve.assistant import LIMIT, Assistant, Busy
from lab_lib.serve.http import ask, completions, page, speech, understand
from lab_lib.serve.http.guard import Guard
from lab_lib.serve.http.malformed import first_fault
from lab_lib.serve.http.problems import Refusal, problem
from lab_lib.serve.understanding import Understanding

LOOPBACK = ("127.0.0.1", "localhost")


def make_app(routers: Sequence[APIRouter], hosts: Sequence[str] = ()) -> FastAPI:
    """Return the application of some routers. `hosts` are its accepted host names; without them it accepts any."""
    app = FastAPI(title="lab serve", docs_url=None, redoc_url=None, redirect_slashes=False)
    for router in routers:
        app.include_router(router)
    app.add_middleware(Guard, hosts=frozenset(hosts))
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(LabError, _cannot)
    return app


def assistant_routers(assistant: Assistant, key: str | None) -> list[APIRouter]:
    """Return the routers of an assistant. A request to run calls needs `key`; None: no call is run."""
    return [page.router(), ask.router(assistant, key), completions.router(assistant), speech.router()]


def serve(
    assistant: Assistant | None, understanding: Understanding | None, host: str, port: int, run: bool, console: Console
) -> None:
    """Serve an assistant, modules to understand, or both, until Ctrl-C.

    Raises LabError for an address that cannot be listened on.
    """
    listening = listen_on(host, port)
    port = listening.getsockname()[1]
    address = f"http://{host if host in LOOPBACK else socket.gethostname()}:{port}"
    routers, shown_at = list[APIRouter](), []
    if assistant is not None:
        assistant.limit = LIMIT
        key = secrets.token_urlsafe(24) if run else None
        routers += assistant_routers(assistant, key)
        shown_at.append(f"page: {address}/{f'#{key}' if key else ''}   API: {address}/v1")
    if understanding is not None:
        routers.append(understand.router(understanding))
        shown_at.append(f"understand: {address}/understand   retrieve: {address}/retrieve")
    known = [f"{name}:{port}" for name in LOOPBACK] if host in LOOPBACK else []
    app = make_app(routers, known)
    console.print(f"{'   '.join(shown_at)}   Ctrl-C ends", soft_wrap=True, highlight=False)
    if not known:
        console.print(f"note: everybody who reaches {host}:{port} can use this model", highlight=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with suppress(KeyboardInterrupt):  # uvicorn lets what is being answered end, and raises it again
        uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run(sockets=[listening])
    console.print("ended")


def listen_on(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises LabError for an address that cannot be listened on."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        # The message of asyncio's error names the address, which the line below names too.
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise LabError(f"--host {host} --port {port}: {reason}; choose another, or leave them out") from None


def _answer(status: int, message: str, param: str | None = None) -> JSONResponse:
    headers = {"Retry-After": "1"} if status == 503 else None
    return JSONResponse(problem(status, message, param), status, headers)


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _answer(422, *first_fault(error.errors(), error.body))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    words = {404: "there is no such path", 405: "this path does not support the method"}
    return _answer(error.status_code, words.get(error.status_code, str(error.detail)))


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return _answer(error.status, one_line(str(error)), error.param)


async def _cannot(request: Request, error: Exception) -> JSONResponse:
    return _answer(503 if isinstance(error, Busy) else 422, str(error))
