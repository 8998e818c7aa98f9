"""A client for endpoints with OpenAI's chat interface: one question, one answer; every error is one line.

The key comes from the environment and is sent in one header. It occurs in no message, log, record or traceback: it is
removed from the server's answer before any other code reads it. Redirects are not followed, so it is sent nowhere else.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from lab_lib.errors import LabError, cut, one_line
from lab_lib.strict_json import JsonError, parse_json

TRIES = 3  # requests for one answer if the server is busy or the connection breaks
PAUSE = 1.0  # seconds before the second try; twice that before the third
MOST_WAIT = 60.0  # seconds that a server may ask to wait (Retry-After)
MOST_BYTES = 2_000_000  # of one answer
AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)  # statuses of servers that may answer later
LOCAL = ("localhost", "127.0.0.1", "::1")
HIDDEN = "***"


class BadAnswer(LabError):
    """The server's answer is valid, but the model's text does not have the requested form."""


@dataclass(frozen=True)
class Written:
    """A model's text, the model's name by the server, and the number of tokens (may be empty)."""

    text: str
    model: str
    usage: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Endpoint:
    """The address and the model. `key` is hidden in repr; `seconds` limits each wait, three times as much an answer."""

    url: str
    model: str
    key: str = field(default="", repr=False)
    variable: str = ""  # where the key was read from
    seconds: float = 60.0
    sleep: Callable[[float], None] = time.sleep

    @property
    def host(self) -> str:
        """Host and port, for records."""
        return urlsplit(self.url).netloc

    def ask(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any], **settings: Any) -> Written:
        """Return the model's answer to some messages, as JSON of a schema.

        `settings` are further ones of the interface (seed, temperature, max_tokens). Raises BadAnswer when the model
        was cut short or declined, LabError for everything else that goes wrong.
        """
        form = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": dict(schema)}}
        asked = {"model": self.model, "messages": list(messages), "response_format": form, **settings}
        return _written(self._answer(asked), self)

    def _answer(self, asked: Mapping[str, Any]) -> Any:
        """Return the JSON of an answer, with up to TRIES requests."""
        for attempt in range(1, TRIES + 1):
            try:
                status, headers, body = self._post(asked)
            except _Broken as error:
                fault, wait = str(error), PAUSE * 2 ** (attempt - 1)
            else:
                if status == 200:
                    return self._json(body)
                fault = self._fault(status, headers, body)
                if status not in AGAIN:
                    raise LabError(f"{self.url}: {fault}")
                wait = _retry_after(headers.get("retry-after")) or PAUSE * 2 ** (attempt - 1)
            if wait > MOST_WAIT:
                raise LabError(f"{self.url}: {fault}; it asks to wait {wait:.0f} s: try again later")
            if attempt < TRIES:
                self.sleep(wait)
        raise LabError(f"{self.url}: {fault} ({TRIES} tries)")

    def _post(self, asked: Mapping[str, Any]) -> tuple[int, Mapping[str, str], str]:
        """Return status, headers and body of one answer. Raises _Broken where no whole answer came."""
        import httpx

        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        body, until = b"", time.monotonic() + 3 * self.seconds
        try:
            with (
                httpx.Client(timeout=self.seconds, headers=headers, verify=_certificates()) as client,
                client.stream("POST", f"{self.url}/chat/completions", json=asked) as answer,
            ):
                for block in answer.iter_bytes():
                    body += block
                    if len(body) > MOST_BYTES:
                        raise LabError(f"{self.url}: an answer of more than {MOST_BYTES:,} bytes")
                    if time.monotonic() > until:
                        raise _Broken(f"the answer does not end ({3 * self.seconds:.0f} s)")
                return answer.status_code, answer.headers, self._cleared(body.decode("utf-8", "replace"))
        except (ValueError, ImportError) as error:  # of a proxy that the environment names
            raise LabError(f"{self.url}: {error}") from None
        except httpx.TimeoutException:
            raise _Broken(f"no answer within {self.seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise _Broken(self._cleared(str(error)) or type(error).__name__) from None

    def _cleared(self, text: str) -> str:
        return text.replace(self.key, HIDDEN) if self.key else text

    def _parsed(self, body: str) -> Any:
        """Return the value of a JSON text without the key, which may be escaped in it."""
        return parse_json(self._cleared(json.dumps(parse_json(body), ensure_ascii=False)))

    def _json(self, body: str) -> Any:
        try:
            return self._parsed(body)
        except JsonError:
            what = "a web page" if body.lstrip()[:1] == "<" else "nothing" if not body.strip() else "no JSON"
            hint = "is the address right? It usually ends in /v1"
            raise LabError(f"{self.url}: the server answered with {what}: {cut(body)!r}; {hint}") from None

    def _fault(self, status: int, headers: Mapping[str, str], body: str) -> str:
        """Return the meaning of a status, with the server's own message if there is one."""
        if 300 <= status < 400:
            place = cut(self._cleared(headers.get("location", "elsewhere")))
            return f"the server redirects to {place}; it is not followed"
        if status in (401, 403):
            return f"the server refuses the key ({status}); it is read from the variable {self.variable}" + (
                "" if self.key else ", which is not set"
            )
        try:
            error = self._parsed(body)["error"]
            return f"the server answered {status}: {cut(error['message'] if isinstance(error, dict) else error)}"
        except (JsonError, KeyError, TypeError):
            return f"the server answered {status}"


@cache
def _certificates() -> ssl.SSLContext:
    """Return the trusted certificates, read once."""
    import httpx

    return httpx.create_ssl_context()


class _Broken(Exception):
    """The connection broke, or no answer arrived."""


def open_endpoint(url: str, model: str, variable: str, seconds: float | None = None) -> Endpoint:
    """Return an endpoint with the key of an environment variable; no key if the variable is not set.

    Raises LabError for an address that is none, one with a name or key in it, a key that would be sent in plain text
    to another machine, and without the package httpx.
    """
    address = url.rstrip("/")
    try:
        parts = urlsplit(address)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if "@" in address or (fits and (parts.query or parts.fragment)):
        raise LabError(f"--base-url: nothing but host and path; a key is read from the variable {variable}")
    if not fits or not address.isprintable() or " " in address:
        raise LabError(f"--base-url {cut(url)}: expected an address such as http://127.0.0.1:8000/v1")
    key = os.environ.get(variable, "").strip()
    if key and not (key.isascii() and key.isprintable() and not set(key) & set(' "\\')):
        raise LabError(f"{variable}: not a key: it has white space, quotation marks or characters that no header takes")
    if key and parts.scheme == "http" and parts.hostname not in LOCAL:
        raise LabError(f"--base-url: the key in {variable} would be sent unencrypted to {parts.hostname}; use https")
    if find_spec("httpx") is None:
        raise LabError("lab calls collect needs the package httpx: pip install -e '.[collect]'")
    return Endpoint(address, model, key, variable, seconds or Endpoint.seconds)


def _written(answer: Any, endpoint: Endpoint) -> Written:
    """Parse an answer. Raises LabError if its form does not follow the interface."""
    try:
        choice = answer["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        text, refusal = message.get("content"), message.get("refusal")
        model, usage = answer.get("model") or endpoint.model, answer.get("usage") or {}
        counts = {key: usage[key] for key in ("prompt_tokens", "completion_tokens") if isinstance(usage.get(key), int)}
    except (AttributeError, IndexError, KeyError, TypeError):
        shape = cut(json.dumps(answer, ensure_ascii=False))
        raise LabError(
            f"{endpoint.url}: not an answer of the chat interface (no choices with a message): {shape}"
        ) from None
    if reason == "length":
        raise BadAnswer(f"{endpoint.url}: the answer was cut at the maximum length")
    if refusal or not isinstance(text, str):
        raise BadAnswer(f"{endpoint.url}: the model declines: {cut(refusal or reason or 'no text')}")
    return Written(text, one_line(str(model)), counts)


def _retry_after(value: str | None) -> float:
    """Return the seconds that a server asks to wait, from a number or a date; 0 for anything else."""
    if not value:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
