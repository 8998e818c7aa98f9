"""The leaderboard: every prediction file of a folder is scored in the same way and compared with published numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, shown
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.noting import closest
from lab_lib.evaluation.scores import Metric, find_metric
from lab_lib.files import listed, read_json, sha256, write_json, write_text
from lab_lib.ids import by_key, id_key, require_distinct
from lab_lib.results.names import plain_name
from lab_lib.results.record import environment
from lab_lib.runs.steps import score_row
from lab_lib.scoring.leaderboard_table import Entry, columns_of, table_notes, to_markdown
from lab_lib.scoring.prediction_file import find_split, naming, read_row, refuse_taken, system_name
from lab_lib.tasks.base import Task

NUMBER = re.compile(r"[-+]?\d+(\.\d+)?", re.ASCII)  # as printed: `16.8`


def prediction_files(folder: Path) -> dict[str, Path]:
    """Return {system: file} of all `.json` and `.jsonl` files (also `.gz`) of a folder, in order of their names.

    Raises LabError when there are none, and when two files are of the same system.
    """
    if not folder.is_dir():
        raise LabError(f"{folder}: no such folder")
    files: dict[str, Path] = {}
    seen: dict[str, Path] = {}
    for path in listed(folder):
        if not (name := system_name(path)):
            continue
        if (other := seen.setdefault(plain_name(name), path)) is not path:
            raise LabError(f"{folder}: {other.name} and {path.name} are both called '{name}'")
        files[name] = path
    if not files:
        raise LabError(f"{folder}: no prediction file here, expected .json or .jsonl (also .gz)")
    return files


def unread(folder: Path, files: Mapping[str, Path]) -> list[str]:
    """Return a note on entries of a folder that may be predictions but are not read: folders, files with other
    endings."""
    read = set(files.values())
    others = [path for path in listed(folder) if path not in read and (path.is_dir() or ".json" in path.name.lower())]
    names = ", ".join(path.name + "/" * path.is_dir() for path in others)
    return [f"Not read, expected files called .json or .jsonl (also .gz): {names}."] if others else []


def score_folder(
    files: Mapping[str, Path], task: Task[Any], settings: EvaluateConfig, published: Mapping[str, Mapping[str, str]]
) -> list[Entry]:
    """Score every file with the same settings; return oracle and trivial rows, then systems, the best one first.

    `published` is {system: {metric: number as printed}}. Raises LabError naming the file that cannot be scored.
    """
    items, source = find_split(task)
    printed = by_key(published, "published table")
    fixed = [Entry(score_row(task, row, items, settings)) for row in task.baselines(items, source, settings.seed)]
    systems = []
    for name, path in files.items():
        with naming(path):
            refuse_taken(path, name, [entry.row for entry in fixed])
            row = read_row(path, name, task, items, settings)
        systems.append(Entry(row, printed.get(id_key(name), {}), path))
    sign = -1 if find_metric(task.metrics, task.main).higher_is_better else 1  # the best system first
    return fixed + sorted(systems, key=lambda entry: sign * entry.scores.values[task.main])


def notes(entries: Sequence[Entry], task: Task[Any], published: Collection[str] = ()) -> list[str]:
    """Return the sentences under the table, then every decision about a file.

    `published` are the systems of the published table that have a prediction file there.
    """
    decided: dict[str, list[str]] = {}
    for entry in entries:
        if entry.path and (sentence := task.published.decided(entry.scores)):
            decided.setdefault(sentence, []).append(entry.row.name)
    return [
        *table_notes(entries, task),
        *(f"{task.data.corpus}: {line}." for line in task.dropped()),
        *_without_file(entries, published),
        *(f"{sentence}: {', '.join(names)}." for sentence, names in decided.items()),
        *(f"{entry.row.name}: {note}." for entry in entries for note in entry.scores.notes),
    ]


def _without_file(entries: Sequence[Entry], published: Collection[str]) -> list[str]:
    """Name the published systems whose prediction file is not in the folder."""
    here = {id_key(entry.row.name) for entry in entries if entry.path}
    away = sorted(name for name in published if id_key(name) not in here)
    return [f"Published, but without a file here: {', '.join(away)}."] if away else []


def write_leaderboard(
    entries: Sequence[Entry], task: Task[Any], about: Mapping[str, Any], out: Path, below: Sequence[str] | None = None
) -> Path:
    """Write `out` (JSON) and the same table as markdown beside it; return `out`.

    `about` says what was scored, `below` what stands under the table (see `notes`).
    """
    shown = {metric.key for metric in columns_of(task).values()}
    below = notes(entries, task) if below is None else below
    rows = [_as_json(entry, shown) for entry in entries]
    write_json(out, {**about, **environment(), "left_out": list(task.dropped()), "notes": list(below), "rows": rows})
    write_text(out.with_suffix(".md"), to_markdown(entries, task, below))
    return out


def _as_json(one: Entry, shown: Collection[str]) -> dict[str, Any]:
    """Return plain JSON values of a row, of its scores those that are shown."""
    scores = one.scores
    return {
        "name": one.row.name,
        "kind": one.row.kind,
        "values": {key: value for key, value in scores.values.items() if key in shown},
        "intervals": {key: list(pair) for key, pair in scores.intervals.items() if key in shown},
        "published": {key: float(text) for key, text in one.published.items()},
        "ours_minus_published": {key: one.difference(key) for key in one.published},
        "file": one.path.name if one.path else None,
        "sha256": sha256(one.path) if one.path else None,
        "items": scores.items,
        "answers": scores.answers,
        "signature": scores.signature,
        "notes": list(scores.notes),
    }


def read_published(path: Path, task: Task[Any]) -> dict[str, dict[str, str]]:
    """Return {system: {metric: number as printed}} of a published table; systems without a prediction file left out.

    The file is {"rows": [{"predictions_file": "x.json", "published_strings": {heading: "16.8", ...}}, ...]}.
    """
    table = read_json(path)
    rows = table.get("rows") if isinstance(table, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LabError(f"{path}: expected an object with a list 'rows' of objects")
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows):
        where = f"{path}: row {number}"
        if "predictions_file" not in row:
            raise LabError(f"{where}: expected 'predictions_file', the name of a file, or null where there is none")
        if not row["predictions_file"]:
            continue
        name = system_name(Path(str(row["predictions_file"])))
        if name in found:
            raise LabError(f"{where}: the prediction file of '{name}' occurs a second time")
        found[name] = _printed(row, columns_of(task), where)
    require_distinct(found, str(path))
    return found


def _printed(row: Mapping[str, Any], columns: Mapping[str, Metric], where: str) -> dict[str, str]:
    """Return {metric: number as printed} of one published row; what was not printed is left out."""
    strings = row.get("published_strings")
    if not isinstance(strings, dict):
        raise LabError(f"{where}: expected 'published_strings', an object")
    for heading in strings:
        if heading not in columns and (near := closest(heading, columns)):
            raise LabError(f"{where}: unknown heading {shown(heading)}; did you mean '{near}'?")
    printed = {}
    for heading, metric in columns.items():
        text = str(strings.get(heading, "")).strip()
        if text in ("", "-"):
            continue
        if not NUMBER.fullmatch(text):
            raise LabError(f"{where}: {heading} is {text!r}, expected a number")
        printed[metric.key] = text
    return printed
