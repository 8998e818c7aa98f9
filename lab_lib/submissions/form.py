"""The form of a row: schema, path and name, and consistent numbers.

No corpus is needed for the lab tasks of this project.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Metric, find_metric
from lab_lib.results.names import taken
from lab_lib.submissions.benchmark import Benchmark, benchmark_of
from lab_lib.submissions.references import references
from lab_lib.submissions.safe import read_row
from lab_lib.submissions.tables import TABLES, lab_task

PACKED = ".predictions.jsonl.gz"  # how the name of a row's predictions ends
FIRST_DAY = datetime.date(2023, 7, 1)  # the lab on which this course is based
# Tolerance of a score and its interval: a rate with one decimal has an error of up to 0.05, a bound of up to 0.005.
WITHIN = 0.055 + 1e-9


def row_name(row: Mapping[str, Any]) -> str:
    """Return the file name of a row, without ending: WHO-DATE-HASH, with the hash of its predictions."""
    content = row.get("predictions_sha256") or json.dumps(row, sort_keys=True)
    named = [row["task"], *([row["lab_task"]] if "lab_task" in row else []), content]
    digest = hashlib.sha256(" ".join(named).encode()).hexdigest()
    return f"{row['who']}-{row['date']}-{digest[:8]}"


def packed_path(row: Path) -> Path:
    """Return the path of a row's predictions."""
    return row.with_suffix(PACKED)


def read_rows(root: Path) -> dict[str, dict[str, Any]]:
    """Return {path below results/: row} of all rows. Raises LabError for the first invalid one."""
    for table in TABLES:
        if (root / table).is_symlink():
            raise LabError(f"{root / table}: a link, expected a folder")
    paths = [path for table in TABLES for path in sorted((root / table).glob("*.json"))]
    return {str(path.relative_to(root)): read_checked(path) for path in paths}


def read_checked(path: Path) -> dict[str, Any]:
    """Return a row with a valid form, whose name and texts can be shown. Raises LabError for any other."""
    row = read_row(path)
    check_form(path, row)
    return row


def check_form(path: Path, row: Mapping[str, Any]) -> None:
    """Raise LabError unless a row fits the schema, its path and name, and possible values."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(schema()).iter_errors(row))
    if error is not None:
        where = ".".join(map(str, error.absolute_path)) or "the row"
        raise LabError(f"{path}: {where}: {error.message[:160]}")
    if row["task"] != path.parent.name:
        raise LabError(f"{path}: a row of the table {row['task']!r} belongs in {row['task']}/")
    if path.name != f"{row_name(row)}.json":
        raise LabError(f"{path}: a row with this content is called {row_name(row)}.json")
    _check_date(path, row["date"])
    if TABLES[row["task"]].scored:
        _check_scored(path, row)


@functools.cache
def schema() -> dict[str, Any]:
    """Return the published JSON schema of a row."""
    found: dict[str, Any] = json.loads(files(__package__).joinpath("schema.json").read_text(encoding="utf-8"))
    return found


def _check_date(path: Path, text: str) -> None:
    try:
        date = datetime.date.fromisoformat(text)
    except ValueError:
        raise LabError(f"{path}: date {text!r} does not exist") from None
    # A day later is still today somewhere on Earth.
    if not FIRST_DAY <= date <= datetime.date.today() + datetime.timedelta(days=1):
        raise LabError(f"{path}: date {text} is in the future, or before the first lab")


def _check_scored(path: Path, row: Mapping[str, Any]) -> None:
    """Raise LabError for an unknown lab task or corpus, a reserved name, and impossible numbers."""
    try:
        benchmark = benchmark_of(row)
        _check_metrics(row, benchmark)
        benchmark.task.check_row(row["metrics"])
        fixed = references(lab_task(row), row["corpus"])
    except LabError as error:
        raise LabError(f"{path}: {error}") from None
    if name := taken(row["system"], fixed):
        raise LabError(f"{path}: system {row['system']!r}: '{name}' is the name of a row that every table has")
    _check_seeds(path, row)
    for name, (low, high) in row["intervals"].items():
        if not low - WITHIN <= row["metrics"].get(name, low) <= high + WITHIN:
            raise LabError(f"{path}: {name} {row['metrics'][name]} is outside its own interval {low}–{high}")


def _check_metrics(row: Mapping[str, Any], benchmark: Benchmark) -> None:
    """Raise LabError unless a row has the metrics of its task's main table, no unknown ones, and possible values."""
    judged = benchmark.metrics.values()
    for key, value in row["metrics"].items():
        _check_bounds(f"metrics.{key}", find_metric(judged, key, "metrics"), value)
    for key, pair in row["intervals"].items():
        for bound in pair:
            _check_bounds(f"intervals.{key}", find_metric(judged, key, "intervals"), bound)
    if missing := [metric.key for metric in judged if not metric.group and metric.key not in row["metrics"]]:
        raise LabError(f"metrics: {missing[0]!r} is missing")


def _check_bounds(where: str, metric: Metric, value: float) -> None:
    if metric.low is not None and value < metric.low:
        raise LabError(f"{where}: {value} is less than the minimum of {metric.low:g}")
    if metric.high is not None and value > metric.high:
        raise LabError(f"{where}: {value} is greater than the maximum of {metric.high:g}")


def _check_seeds(path: Path, row: Mapping[str, Any]) -> None:
    """Raise LabError for a seed that differs from the row's config."""
    config = row.get("config") or {}
    for name, seed in row["seeds"].items():
        part = config.get(name)
        if isinstance(part, dict) and part.get("seed", seed) != seed:
            raise LabError(f"{path}: seeds.{name} is {seed}, its config has {part['seed']!r}")
