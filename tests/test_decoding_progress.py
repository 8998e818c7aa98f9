"""Decoding in the log of a job: a line every minute, and none in short work."""

import io

import pytest
from rich.console import Console

from lab_lib.decoding import progress
from lab_lib.decoding.progress import DecodingProgress


@pytest.mark.parametrize(
    ("each", "printed"),
    [
        (1.0, []),
        (40.0, ["sampling: 2 of 4, 1 minute left", "sampling: 4 of 4, 0 minutes left"]),
    ],
)
def test_a_log_has_a_line_every_minute(each, printed, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: each * next(clock))
    file = io.StringIO()
    with DecodingProgress(Console(file=file, width=80), "sampling", 4) as advance:
        for _ in range(4):
            advance(1)
    assert [line for line in file.getvalue().splitlines() if "left" in line] == printed
