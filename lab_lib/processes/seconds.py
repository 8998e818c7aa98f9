"""The total time of a run's stages over all calls, including interrupted and killed ones."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import read_json_or, write_json

FIRST, SHARE, LONGEST = 1.0, 0.05, 60.0  # a killed process loses at most a second, or 5 % of its time, or a minute


def read_figures(path: Path) -> dict[str, float]:
    """Return {stage: number} of a file that may not exist yet. Raises LabError for other content."""
    found = read_json_or({}, path)
    if not isinstance(found, dict) or not all(map(_is_figure, found.values())):
        raise LabError(f"{path}: expected {{stage: number}}; remove the file, its figures are only shown")
    return found


def _is_figure(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf


@contextmanager
def counting(path: Path, name: str) -> Iterator[None]:
    """Add the seconds inside the `with` to those of earlier calls, in a file {stage: seconds}; also when it fails.

    The sum is also written while time passes, so that a killed process loses little of it. The folder must exist.
    """
    spent, began, ended = read_figures(path), time.monotonic(), threading.Event()

    def note() -> None:
        if path.parent.is_dir():
            write_json(path, {**spent, name: round(spent.get(name, 0.0) + time.monotonic() - began, 1)})

    def beat() -> None:
        while not ended.wait(min(max(FIRST, SHARE * (time.monotonic() - began)), LONGEST)):
            with suppress(LabError):  # a full disk: the stage itself reports it
                note()

    clock = threading.Thread(target=beat, daemon=True)
    clock.start()
    try:
        yield
    finally:
        ended.set()
        clock.join()
        with suppress(LabError):
            note()
