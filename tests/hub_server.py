"""A model hub on the loopback interface: the part of the protocol that downloading a repository needs.

Point a process at it with HF_ENDPOINT (huggingface_hub reads it at import, so it has to be a new process):

    with HubServer({"lab/tiny": HubRepo({"main": folder})}) as hub: ...hub.url...
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse


def commit_of(folder: Path) -> str:
    """Return a made-up commit hash of a folder, 40 hex digits as git's."""
    return hashlib.sha1(str(folder).encode()).hexdigest()


@dataclass
class HubRepo:
    """A repository: a folder for each branch or tag. A gated one answers everybody with 403, a broken one with 418."""

    revisions: dict[str, Path]
    gated: bool = False
    broken: bool = False

    def folder(self, revision: str) -> Path | None:
        """Return the files of a branch, tag or commit."""
        by_commit = {commit_of(folder): folder for folder in self.revisions.values()}
        return self.revisions.get(revision) or by_commit.get(revision)


@dataclass
class HubServer:
    """Serves repositories from a thread until the `with` block ends; `requests` holds every path asked for."""

    repos: dict[str, HubRepo]
    requests: list[str] = field(default_factory=list)

    def __enter__(self) -> HubServer:
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The address for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlparse(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if path.startswith("/api/models/"):
            return self._api(path.removeprefix("/api/models/"))
        name, found, rest = path.removeprefix("/").partition("/resolve/")
        revision, _, file = rest.partition("/")
        folder = self._folder(name, revision) if found else self._refuse(404, "RepoNotFound")
        if folder is not None:
            self._file(folder, file)

    do_HEAD = do_GET

    def _folder(self, name: str, revision: str) -> Path | None:
        """Return a repository's folder, or answer why not and return None."""
        repo = self.hub.repos.get(name)
        if repo is None:
            # The real hub answers 401 to strangers, so that private names stay private.
            return self._refuse(401, "RepoNotFound")
        if repo.gated:
            return self._refuse(403, "GatedRepo")
        if repo.broken:
            return self._refuse(418, "Teapot")
        return repo.folder(revision) or self._refuse(404, "RevisionNotFound")

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

    def _api(self, rest: str) -> None:
        """Answer `NAME/revision/REV` (the commit of a revision) and `NAME/tree/REV` (its files)."""
        kind = "/tree/" if "/tree/" in rest else "/revision/"
        name, _, revision = rest.partition(kind)
        folder = self._folder(name, revision or "main")
        if folder is None:
            return
        files = sorted(path for path in folder.iterdir() if path.is_file())
        rows = [{"type": "file", "path": p.name, "size": p.stat().st_size, "oid": _tag(p)} for p in files]
        info = {"id": name, "sha": commit_of(folder), "siblings": [{"rfilename": p.name} for p in files]}
        self._json(rows if kind == "/tree/" else info)

    def _file(self, folder: Path, name: str) -> None:
        path = folder / name
        if not path.is_file():
            return self._refuse(404, "EntryNotFound")
        self._answer(200, path.read_bytes(), {"ETag": f'"{_tag(path)}"', "X-Repo-Commit": commit_of(folder)})

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing: tests read `requests`."""


def _tag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
