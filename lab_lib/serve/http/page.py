"""The page: type or speak a request, see its call, the check, the result and what else was likely."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response

FILES = {
    "/": ("lab_lib.serve.http", "serve.html", "text/html"),
    "/serve.css": ("lab_lib.serve.http", "serve.css", "text/css"),
    "/serve.js": ("lab_lib.serve.http", "serve.js", "text/javascript"),
    "/chat.css": ("lab_lib.chat", "chat.css", "text/css"),  # the colours and forms of the chat's page
}


def router() -> APIRouter:
    """Return the routes of the page's files; they are no part of the interface, so the OpenAPI document lacks them."""
    routes = APIRouter(include_in_schema=False)
    for path, (package, name, kind) in FILES.items():
        body = files(package).joinpath("assets", name).read_bytes()
        routes.add_api_route(path, _sending(body, kind), methods=["GET"])
    return routes


def _sending(body: bytes, kind: str) -> Callable[[], Response]:
    return lambda: Response(body, media_type=kind)
