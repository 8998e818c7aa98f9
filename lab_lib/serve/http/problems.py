"""What a server answers when it refuses or fails: one error model, that of OpenAI's interface, for every status."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

MEANINGS = {
    400: "The body is not JSON.",
    403: "The request comes from another host or page, or calls are not run here.",
    404: "There is no such model or path.",
    405: "The path does not support the method.",
    413: "The body is too large.",
    415: "The body is of another content type.",
    422: "The request asks for something that is not supported.",
    500: "An error of the server; its log has the request id.",
    503: "The model was busy for too long, or a package is missing.",
}
KINDS = {403: "permission_error", 404: "not_found_error", 500: "server_error", 503: "server_error"}


class Fault(BaseModel):
    """What went wrong, in one line; `param` is the part of the request that it is about."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class Problem(BaseModel):
    """The body of every answer with a status of 400 or more."""

    error: Fault


class Refusal(Exception):
    """A request that is refused: the status and one line."""

    def __init__(self, status: int, line: str, param: str | None = None) -> None:
        super().__init__(line)
        self.status, self.param = status, param


def problem(status: int, message: str, param: str | None = None) -> dict[str, Any]:
    """Return the body of an answer that refuses."""
    kind = KINDS.get(status, "invalid_request_error")
    return Problem(error=Fault(message=message, type=kind, param=param)).model_dump()


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the entries of an OpenAPI document for statuses that a route may answer with, and those of all routes."""
    return {status: {"model": Problem, "description": MEANINGS[status]} for status in (*statuses, 403, 404, 405, 500)}
