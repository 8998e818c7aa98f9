"""The rows of every table: the oracle and the trivial baselines. They are part of the program, so that a submission
cannot change them. After a change of a scorer: python -m lab_lib.submissions.references
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from lab_lib.files import write_json
from lab_lib.submissions.benchmark import Benchmark, find_benchmark
from lab_lib.tasks import TASKS, find_task

FILE = "reference.json"


@functools.cache
def references(task: str, corpus: str) -> dict[str, Any]:
    """Return {row: figures} of a lab task on a corpus, as stored; a custom task is scored here.

    Raises LabError as `find_benchmark`, and if the data of a task that is not stored is missing.
    """
    found: dict[str, Any] = stored().get(task, {}).get(corpus) or score(find_benchmark(task, corpus))
    rows: dict[str, Any] = found["rows"]
    return rows


def oracle(rows: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return name and figures of the oracle row."""
    return next((name, row) for name, row in rows.items() if row["kind"] == "oracle")


@functools.cache
def stored() -> dict[str, Any]:
    """Return {lab task: {corpus: references_sha256 and rows}} from the file beside this module."""
    found: dict[str, Any] = json.loads(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
    return found


def score(benchmark: Benchmark) -> dict[str, Any]:
    """Score the rows of a benchmark; return the values to store. Raises LabError without data."""
    return {"references_sha256": benchmark.references_hash, "rows": benchmark.fixed_rows()}


def score_again() -> Path:
    """Score the rows of all tasks and corpora of this project, write them beside this module, return the file."""
    found = {
        task: {corpus: score(find_benchmark(task, corpus)) for corpus in sorted(find_task(task).public)}
        for task in sorted(TASKS)
        if find_task(task).public
    }
    return write_json(Path(__file__).with_name(FILE), found)


if __name__ == "__main__":
    print(score_again())
