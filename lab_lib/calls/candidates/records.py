"""The file of candidates: one JSON object per line, only appended to, so that no decision is lost.

    {"id": "5f0c...", "skill": "weather", "utterance": "...", "call": "...", "state": "new", "source": {...}}
    {"id": "5f0c...", "state": "accepted", "utterance": "...", "call": "..."}

A line with the id of an earlier one changes it: this is a decision of the reviewer. An incomplete last line was left by
a killed process: it is ignored, and removed before the next append.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, nearest, shown
from lab_lib.files import open_plain, read_text
from lab_lib.strict_json import JsonError, parse_json

# new: waits for review. accepted and rejected: the reviewer's decision. refused: a check failed.
STATES = ("new", "accepted", "rejected", "refused")
TEXTS = ("id", "skill", "utterance", "call", "state")
OPTIONAL = ("reason", "date")
BEGINNING = '{"id": "'  # of every line


@dataclass(frozen=True)
class Candidate:
    """An utterance with its call. `source` says who wrote it: an endpoint, a local model or a transcript.

    `reason` is the reason for a refusal; `call` is then the original text.
    """

    id: str
    skill: str
    utterance: str
    call: str
    state: str = "new"
    reason: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)
    date: str = ""


def candidate(skill: str, utterance: str, call: str, reason: str, source: Mapping[str, Any]) -> Candidate:
    """Return a new candidate, or a refused one if there is a reason, with an id and the current time (UTC)."""
    date = datetime.now(timezone.utc).isoformat(timespec="microseconds")
    parts = json.dumps([skill, utterance, call, dict(source), date], ensure_ascii=False)
    id = hashlib.sha256(parts.encode()).hexdigest()[:12]
    return Candidate(id, skill, utterance, call, "refused" if reason else "new", reason, dict(source), date)


def row(one: Candidate) -> dict[str, Any]:
    """Return a candidate as a line of the file, without empty fields."""
    return {key: value for key, value in vars(one).items() if value or key in TEXTS}


def decision(one: Candidate, state: str) -> dict[str, Any]:
    """Return the line of a decision, with the current utterance and call."""
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"id": one.id, "state": state, "utterance": one.utterance, "call": one.call, "date": date}


def read_candidates(path: Path) -> list[Candidate]:
    """Return the candidates of a file in the order of their first lines, each with the values of its last line.

    Raises LabError naming the line that breaks this format.
    """
    found: dict[str, dict[str, Any]] = {}
    lines = read_text(path).split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == len(lines) and _is_torn(line)):
            continue
        where = f"{path}: line {number}"
        value = _object(line, where)
        id = str(value.get("id"))
        found[id] = {**found.get(id, {}), **value}
        _check(found[id], where)
    return [Candidate(**value) for value in found.values()]


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        value = parse_json(line)
    except JsonError as error:
        raise LabError(f"{where}: not JSON: {error}; is this a file of candidates?") from None
    if not isinstance(value, dict):
        raise LabError(f"{where}: expected an object, found {shown(value)}")
    return value


def _check(value: Mapping[str, Any], where: str) -> None:
    """Raise LabError for a candidate with missing, unknown or invalid fields."""
    known = (*TEXTS, *OPTIONAL, "source")
    for key in value:
        if key not in known:
            raise LabError(f"{where}: key {shown(key)} is unknown{nearest(key, known)}")
    for key in (*TEXTS, *(key for key in OPTIONAL if key in value)):
        if not isinstance(value.get(key), str):
            raise LabError(f"{where}: '{key}' is {shown(value.get(key))}, expected text; is this a file of candidates?")
    if value["state"] not in STATES:
        raise LabError(f"{where}: state {shown(value['state'])}{nearest(value['state'], STATES)}")
    if not isinstance(value.get("source", {}), Mapping):
        raise LabError(f"{where}: 'source' is {shown(value['source'])}, expected an object")
    if type(value.get("source", {}).get("seed", 0)) is not int:
        raise LabError(f"{where}: the seed of its source is {shown(value['source']['seed'])}, expected a whole number")


def append_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append lines to a file of candidates in one write; an incomplete last line is repaired first.

    Raises LabError if it is not a plain file, if the folder is read-only, and if the disk is full.
    """
    data = "".join(json.dumps(dict(one), ensure_ascii=False) + "\n" for one in rows).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(open_plain(path, os.O_RDWR | os.O_APPEND), "r+b", buffering=0) as stream:
            whole, end, last = (stream.read() or b"").rpartition(b"\n")
            if last and _is_torn(last.decode(errors="replace")):
                stream.truncate(len(whole) + len(end))
            elif last:
                data = b"\n" + data
            if stream.write(data) != len(data):
                raise LabError(f"{path}: cannot write: is the disk full?")
            os.fsync(stream.fileno())
    except OSError as error:
        raise LabError(f"{path}: cannot write: {error.strerror or error}") from None


def _is_torn(line: str) -> bool:
    """Return whether a line is an incomplete line of ours."""
    if not line.startswith(BEGINNING[: len(line)]):
        return False
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return True
    return False
