"""The rows of a run's table: baselines and every system that was decoded, all scored on the same items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lab_lib.decoding.predictions import read_predictions
from lab_lib.errors import LabError
from lab_lib.evaluation.scores import Predictions, Row, Scores
from lab_lib.runs.context import Context
from lab_lib.runs.steps import score_row


def score_run(context: Context) -> list[Row]:
    """Return the scored rows: oracle, trivial, and each system decoded, in table order."""
    items, settings = context.splits.reported, context.config.evaluation
    baselines = baseline_rows(context)
    due = {key: len(answers) for key, answers in oracle(baselines).predictions.items()}
    rows = [*baselines, *decoded_rows(context, due)]
    return [score_row(context.task, row, items, settings) for row in rows]


def baseline_rows(context: Context) -> list[Row]:
    """Return the oracle and trivial rows, unscored; trivial ones learn from the training items alone."""
    splits, settings = context.splits, context.config.evaluation
    return context.task.baselines(splits.reported, splits.train, settings.seed)


def oracle(rows: Sequence[Row]) -> Row:
    """Return the first oracle row: the reference answers. Raises LabError when a task has none."""
    found = next((row for row in rows if row.kind == "oracle"), None)
    if found is None:
        raise LabError("a task's baselines need a row of kind 'oracle': the reference answers")
    return found


def decoded_rows(context: Context, due: Mapping[str, int]) -> list[Row]:
    """Return one row per system with predictions in the run folder, unscored; see `require_whole`."""
    rows = []
    for system, (name, kind) in context.systems.items():
        path = context.folder.predictions(system)
        if path.exists():
            rows.append(Row(name, kind, require_whole(read_predictions(path), due, path)))
    return rows


def require_whole(predictions: Predictions, due: Mapping[str, int], path: Path) -> Predictions:
    """Return the predictions if they are complete for the items in `due`, {item key: number of answers}."""
    for key, given in predictions.items():
        if len(given) != due.get(key):
            raise LabError(
                f"{path}: item {key}: {len(given)} predicted answers, the items reported have {due.get(key, 'none')}"
            )
    if gone := [key for key in due if key not in predictions]:
        raise LabError(
            f"{path}: no answers to {len(gone)} of {len(due)} items, first {gone[0]}; remove the file and decode again"
        )
    return predictions


def signature(rows: Sequence[Row]) -> str:
    """Return how the rows were scored: the signature of the first, and the differences of the other rows.

    End to end a table has both kinds: `mwz|rules:2022|states:gold|...; fine-tuned: states:given`.
    """
    first = scores_of(rows[0]).signature
    others: dict[str, list[str]] = {}
    for row in rows:
        if own := [part for part in scores_of(row).signature.split("|") if part not in first.split("|")]:
            others.setdefault("|".join(own), []).append(row.name)
    return "; ".join([first, *(f"{', '.join(names)}: {own}" for own, names in others.items())])


def scores_of(row: Row) -> Scores:
    """Return the scores of a row that was scored."""
    assert row.scores is not None
    return row.scores


def notes_of(rows: Sequence[Row]) -> list[str]:
    """Return the scorer's notes about the systems' answers, each with the names of the systems."""
    noted: dict[str, list[str]] = {}
    for row in rows:
        if row.kind not in ("oracle", "trivial") and row.scores is not None:
            for note in row.scores.notes:
                noted.setdefault(note, []).append(row.name)
    return [f"{' / '.join(names)}: {note}" for note, names in noted.items()]
