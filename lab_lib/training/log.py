"""log.jsonl and samples.jsonl of a run: a JSON row for each logging step, dev evaluation or sample, with its `step`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import appending, write_jsonl
from lab_lib.processes.rank import this_process

LOG, SAMPLES = "log.jsonl", "samples.jsonl"


def read_rows(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return (the rows of a log, the number of damaged lines); ([], 0) for a missing file.

    A line is damaged if a full disk or a power cut left it unfinished, or if it has no number under `step`.
    """
    try:
        lines = path.read_bytes().split(b"\n") if path.exists() else []
    except OSError as error:
        raise LabError(f"{path}: cannot read: {error.strerror}") from None
    rows = [_row(line) for line in lines if line.strip()]
    return [row for row in rows if row is not None], rows.count(None)


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if _is_row(row) else None


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        return False
    dev = row.get("dev", {})
    numbers = [row.get("loss"), *(dev.values() if isinstance(dev, dict) else ["no scores"])]
    return all(number is None or type(number) in (int, float) for number in numbers)


def unread_line(path: Path, count: int) -> str | None:
    """Return a warning about the damaged lines of a log, if there are any."""
    return f"{path}: {count} line(s) that are not rows with a step were left out" if count else None


def cut_rows(path: Path, step: int) -> str | None:
    """Drop the rows of steps after the checkpoint that training resumes from: these steps are repeated.

    Returns a warning if damaged lines are dropped. A missing log is created; missing samples are not.
    """
    rows, damaged = read_rows(path)
    if path.exists() or path.name == LOG:
        write_jsonl(path, [row for row in rows if row["step"] <= step])
    return unread_line(path, damaged)


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Append one JSON row, in the first process. Raises LabError when the disk is full or the folder read-only."""
    if this_process().first:
        with appending(path) as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
