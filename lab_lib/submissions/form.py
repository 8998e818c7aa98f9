"""The form of a row: schema, place and name, and numbers that do not contradict one another. No corpus is needed."""

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
from lab_lib.submissions.references import ROWS
from lab_lib.submissions.safe import read_row
from lab_lib.submissions.tasks import TASKS

FIRST_DAY = datetime.date(2023, 7, 1)  # the lab on which this course stands
# Combined against (Inform + Success) / 2 + BLEU. Rates have one decimal, so half of their sum is exact with two; BLEU
# and Combined are rounded to two, each off by up to 0.005: 0.01 together. What floats add is below 1e-9.
POINTS = 0.01 + 1e-9
# A score against its bounds: a rate is off by up to 0.05, a bound by up to 0.005.
WITHIN = 0.055 + 1e-9


def row_name(row: Mapping[str, Any]) -> str:
    """Return the file name of a row, without ending: WHO-DATE-HASH, the hash of what it rests on."""
    content = row.get("predictions_sha256") or json.dumps(row, sort_keys=True)
    digest = hashlib.sha256(f"{row['task']} {content}".encode()).hexdigest()
    return f"{row['who']}-{row['date']}-{digest[:8]}"


def packed_path(row: Path) -> Path:
    """Return where the predictions of a row lie."""
    return row.with_suffix(".predictions.jsonl.gz")


def read_rows(root: Path) -> dict[str, dict[str, Any]]:
    """Return {path below results/: row} of all rows. Raises LabError for the first one that is not in order."""
    for task in TASKS:
        if (root / task).is_symlink():
            raise LabError(f"{root / task}: a link, expected a folder")
    paths = [path for task in TASKS for path in sorted((root / task).glob("*.json"))]
    return {str(path.relative_to(root)): read_checked(path) for path in paths}


def read_checked(path: Path) -> dict[str, Any]:
    """Return a row whose form is right: its name and texts can be shown. Raises LabError for any other."""
    row = read_row(path)
    check_form(path, row)
    return row


def check_form(path: Path, row: Mapping[str, Any]) -> None:
    """Raise LabError unless a row fits the schema, its place and name, and what is possible."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(schema()).iter_errors(row))
    if error is not None:
        where = ".".join(map(str, error.absolute_path)) or "the row"
        raise LabError(f"{path}: {where}: {error.message[:160]}")
    if row["task"] != path.parent.name:
        raise LabError(f"{path}: task {row['task']!r} belongs into {row['task']}/")
    if path.name != f"{row_name(row)}.json":
        raise LabError(f"{path}: a row with this content is called {row_name(row)}.json")
    if row["system"].casefold() in ROWS:
        raise LabError(f"{path}: system {row['system']!r} is the name of a row that every table has")
    _check_date(path, row["date"])
    if TASKS[row["task"]].scored:
        _check_possible(path, row)


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


def _check_possible(path: Path, row: Mapping[str, Any]) -> None:
    """Raise LabError for numbers that contradict one another."""
    scores = row["metrics"]
    combined = (scores["inform"] + scores["success"]) / 2 + scores["bleu"]
    if abs(combined - scores["combined"]) > POINTS:
        raise LabError(f"{path}: combined is {scores['combined']}; (Inform + Success) / 2 + BLEU is {combined:.2f}")
    _check_seeds(path, row)
    for name, (low, high) in row["intervals"].items():
        if not low - WITHIN <= scores[name] <= high + WITHIN:
            raise LabError(f"{path}: {name} {scores[name]} is outside its own interval {low}–{high}")


def _check_seeds(path: Path, row: Mapping[str, Any]) -> None:
    """Raise LabError for a seed that is another one in the row's config, where that has one."""
    config = row.get("config") or {}
    for name, seed in row["seeds"].items():
        part = config.get(name)
        if isinstance(part, dict) and part.get("seed", seed) != seed:
            raise LabError(f"{path}: seeds.{name} is {seed}, its config has {part['seed']!r}")
