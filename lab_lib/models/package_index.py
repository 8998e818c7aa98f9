"""Find a wheel on the package index that pip is configured for; where this fails, let pip download it.

pip cannot resume the download of a wheel, nor print its address without downloading it. So the index is queried by its
own protocol (https://packaging.python.org/specifications/simple-repository-api), at pip's addresses.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin

from lab_lib.corpora.web import SCHEMES, read_web
from lab_lib.errors import LabError, one_line

PYPI = "https://pypi.org/simple"
SETTING = re.compile(r"^(?:global|install|download|:env:)\.(index-url|extra-index-url)='(.*)'$")
PAGE_BYTES = 5_000_000  # bytes of a package's page: the page of a package with thousands of files has a million
PAGE_SECONDS = 30.0
PIP_SECONDS = 900  # for a whole wheel; pip's own timeouts limit a single wait


def indexes(listed: str) -> list[str]:
    """Return the addresses of indexes, in pip's order, from what `pip config list` prints.

    >>> indexes("global.index-url='https://mirror/simple'\\n:env:.extra-index-url='file:///a  http://b/simple/'")
    ['https://mirror/simple', 'file:///a', 'http://b/simple']
    """
    found = {"index-url": [PYPI], "extra-index-url": list[str]()}
    for name, value in (match.groups() for match in map(SETTING.match, listed.splitlines()) if match):
        found[name] = [address.rstrip("/") for address in value.split()]
    return [*found["index-url"], *found["extra-index-url"]]


def find_wheel(package: str, wheel: str) -> str | None:
    """Return the address of a wheel on one of pip's indexes; None if no index on the web has it."""
    for index in indexes(pip("config", "list")):
        if not index.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
            continue
        page = f"{index}/{package}/"
        try:
            text = read_web(page, PAGE_BYTES, PAGE_SECONDS).decode("utf-8", "replace")
        except LabError:  # an unknown package, a login, a proxy: pip tries again and reports the problem
            continue
        links = (html.unescape(link).partition("#")[0] for link in re.findall(r'href="([^"]*)"', text))
        if found := next((link for link in links if link.rpartition("/")[2] == wheel), None):
            return urljoin(page, found)
    return None


def pip_download(requirement: str, folder: Path) -> None:
    """Let pip download one wheel, without its dependencies, into a folder."""
    pip("download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet", "--dest", str(folder), requirement)


def pip(*arguments: str) -> str:
    """Run this environment's pip and return what it prints. Raises LabError with its last error."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, timeout=PIP_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"pip did not end within {PIP_SECONDS} seconds; is the package index reachable?") from None
    if done.returncode == 0:
        return done.stdout
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
    reason = errors[-1] if errors else f"exit code {done.returncode}"
    raise LabError(f"pip {arguments[0]} {arguments[-1]}: {one_line(reason)}")
