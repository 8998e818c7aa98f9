"""The leaderboard: every prediction file of a folder scored alike, beside what was published of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.evaluation.scores import Metric, Row, find_metric
from lab_lib.files import read_json, sha256, write_json, write_text
from lab_lib.runs.record import environment
from lab_lib.runs.steps import score_row
from lab_lib.scoring.leaderboard_table import Board, Entry, as_json, table_notes, to_markdown
from lab_lib.scoring.prediction_file import find_split, naming, read_row, scores_of, system_name
from lab_lib.tasks.base import Task


@dataclass(frozen=True)
class Ranked:
    """A row of the leaderboard with where it comes from; `path` is None for the rows every table has."""

    row: Row
    path: Path | None
    published: Mapping[str, str]

    @property
    def entry(self) -> Entry:
        """The row as the table takes it."""
        scores = scores_of(self.row)
        return Entry(self.row.name, scores.values, scores.intervals, self.published)


def prediction_files(folder: Path) -> dict[str, Path]:
    """Return {system: file} of all `.json` and `.jsonl` files (also `.gz`) of a folder, in order of their names.

    Raises LabError when there are none, and when two files are of the same system.
    """
    if not folder.is_dir():
        raise LabError(f"{folder}: no such folder")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        name = system_name(path)
        if name in files:
            raise LabError(f"{folder}: {files[name].name} and {path.name} are both called '{name}'")
        if name:
            files[name] = path
    if not files:
        raise LabError(f"{folder}: no prediction file here, expected .json or .jsonl (also .gz)")
    return files


def board_of(task: Task[Any]) -> Board:
    """Return the columns of a task's leaderboard: those of its published tables, else of its main table."""
    own = {metric.heading: metric for metric in task.metrics if not metric.group}
    return Board(dict(task.published.columns) or own, task.published, task.words)


def score_folder(
    files: Mapping[str, Path], task: Task[Any], settings: EvaluateConfig, published: Mapping[str, Mapping[str, str]]
) -> list[Ranked]:
    """Score every file with the same settings; return oracle and trivial rows, then systems, the best one first.

    `published` is {system: {metric: number as printed}}. Raises LabError naming the file that cannot be scored.
    """
    split = find_split(task)
    fixed = task.baselines(split.items, split.source, settings.seed)
    ranked = [Ranked(score_row(task, row, split.items, settings), None, {}) for row in fixed]
    systems = []
    for name, path in files.items():
        with naming(path):
            row = read_row(path, name, task, split.items, settings)
        systems.append(Ranked(row, path, published.get(name, {})))
    main = find_metric(task.metrics, task.main)
    return ranked + sorted(systems, key=lambda one: _rank(one, main))


def _rank(ranked: Ranked, main: Metric) -> float:
    """Return a number that is least for the best system."""
    value = scores_of(ranked.row).values[main.key]
    return -value if main.higher_is_better else value


def notes(ranked: Sequence[Ranked], board: Board) -> list[str]:
    """Return the sentences under the table, then every decision that was taken about a file."""
    words, scored = board.words, {one.row.name: scores_of(one.row) for one in ranked}
    sizes = {name: f"{scores.items} {words.items}, {scores.answers} {words.answers}" for name, scores in scored.items()}
    decided: dict[str, list[str]] = {}
    for one in ranked:
        if one.path and (sentence := board.published.decided(scores_of(one.row))):
            decided.setdefault(sentence, []).append(one.row.name)
    return [
        *table_notes([one.entry for one in ranked], sizes, board),
        *(f"{sentence}: {', '.join(names)}." for sentence, names in decided.items()),
        *(f"{name}: {note}." for name, scores in scored.items() for note in scores.notes),
    ]


def write_leaderboard(ranked: Sequence[Ranked], board: Board, about: Mapping[str, Any], out: Path) -> Path:
    """Write `out` (JSON) and the same table as markdown beside it; return `out`. `about` says what was scored."""
    rows = [_as_json(one, board) for one in ranked]
    write_json(out, {**about, **environment(), "rows": rows})
    write_text(out.with_suffix(".md"), to_markdown([one.entry for one in ranked], board, notes(ranked, board)))
    return out


def _as_json(one: Ranked, board: Board) -> dict[str, Any]:
    """Return plain JSON values of a row."""
    scores = scores_of(one.row)
    return {
        "name": one.row.name,
        "kind": one.row.kind,
        **as_json(one.entry, board),
        "file": one.path.name if one.path else None,
        "sha256": sha256(one.path) if one.path else None,
        "items": scores.items,
        "answers": scores.answers,
        "signature": scores.signature,
        "notes": list(scores.notes),
    }


def read_published(path: Path, board: Board) -> dict[str, dict[str, str]]:
    """Return {system: {metric: number as printed}} of a published table; systems without a prediction file left out.

    The file is {"rows": [{"predictions_file": "x.json", "published_strings": {heading: "16.8", ...}}, ...]}.
    """
    table = read_json(path)
    rows = table.get("rows") if isinstance(table, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LabError(f"{path}: expected an object with a list 'rows' of objects")
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows):
        if row.get("predictions_file"):
            found[system_name(Path(str(row["predictions_file"])))] = _printed(row, board, f"{path}: row {number}")
    return found


def _printed(row: Mapping[str, Any], board: Board, where: str) -> dict[str, str]:
    """Return {metric: number as printed} of one published row; what was not printed is left out."""
    strings = row.get("published_strings")
    if not isinstance(strings, dict):
        raise LabError(f"{where}: expected 'published_strings', an object")
    printed = {}
    for heading, metric in board.columns.items():
        text = str(strings.get(heading, "")).strip()
        if text in ("", "-"):
            continue
        try:
            float(text)
        except ValueError:
            raise LabError(f"{where}: {heading} is {text!r}, expected a number") from None
        printed[metric.key] = text
    return printed
