"""Rows of a table, from scored systems or from records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab_lib.errors import LabError, nearest
from lab_lib.evaluation.scores import KINDS, Kind, Metric, Row, find_metric, read_metrics
from lab_lib.results.cells import number
from lab_lib.tasks import find_task
from lab_lib.tasks.base import Words

NOTES = "table_notes"  # in `Scores.extra`, and in the rows of records
UNKNOWN = Words("item", "items", "answer", "answers", "facts")  # for a task that is not on this machine


@dataclass(frozen=True)
class TableRow:
    """A system's row for tables, figures and submissions; a metric without a value was not measured.

    `notes` are sentences under the table, by group of metrics ("": the main table); `{rows}` in a sentence is replaced
    by the names of all rows that have it. Raises LabError for an unknown kind.
    """

    name: str
    kind: Kind
    values: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    items: int | None = None
    answers: int | None = None
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse an unknown kind."""
        if self.kind not in KINDS:
            raise LabError(f"row {self.name!r}: unknown kind {self.kind!r}{nearest(self.kind, KINDS)}")


AnyRow = Row | TableRow


def table_row(row: AnyRow) -> TableRow:
    """Return a system as a row of a table; one without scores has no values."""
    if isinstance(row, TableRow):
        return row
    if row.scores is None:
        return TableRow(row.name, row.kind)
    scores = row.scores
    notes = notes_by_group(scores.extra.get(NOTES, ()))
    return TableRow(row.name, row.kind, scores.values, scores.intervals, scores.items, scores.answers, notes)


def notes_by_group(notes: Sequence[str] | Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return {group: sentences} for under a task's tables, from sentences for the main table or by group."""
    by_group = notes if isinstance(notes, Mapping) else {"": notes}
    return {group: tuple(sentences) for group, sentences in by_group.items()}


def read_row(name: str, values: Mapping[str, Any]) -> TableRow:
    """Return a row of a record; see `Row.summary`. Raises KeyError, TypeError or ValueError for another shape."""
    numbers = {key: float(value) for key, value in values["values"].items()}
    intervals = {key: (low, high) for key, (low, high) in values["intervals"].items()}
    notes = notes_by_group(values.get(NOTES, ()))
    return TableRow(name, values["kind"], numbers, intervals, values["items"], values["answers"], notes)


def ordered(rows: Iterable[AnyRow]) -> list[TableRow]:
    """Return the rows in table order: oracle, trivial, base, start, fine-tuned, others; otherwise in the given
    order."""
    return sorted(map(table_row, rows), key=lambda row: KINDS.index(row.kind))


def last_tuned(rows: Iterable[AnyRow]) -> TableRow | None:
    """Return the last fine-tuned row; None if nothing was trained."""
    return next((row for row in reversed(ordered(rows)) if row.kind == "finetuned"), None)


def subject(rows: Iterable[AnyRow]) -> TableRow | None:
    """Return the main row of a run: the last fine-tuned one, or the untrained model if nothing was trained."""
    every = ordered(rows)
    return last_tuned(every) or next((row for row in reversed(every) if row.kind in ("base", "start")), None)


@dataclass(frozen=True)
class Recorded:
    """The scores in a record.json: the metrics and the rows of the table."""

    task: str
    metrics: tuple[Metric, ...]
    main: Metric
    rows: tuple[TableRow, ...]

    @property
    def words(self) -> Words:
        """The task's words for items and answers."""
        return words_of(self.task)

    @property
    def headline(self) -> str | None:
        """The main score of the run's main row, formatted as in its table; None if there is none."""
        row, metric = subject(self.rows), self.main
        if row is None or metric.key not in row.values:
            return None
        return number(float(row.values[metric.key]), metric.decimals)

    @property
    def baselines(self) -> list[TableRow]:
        """The oracle and trivial rows."""
        return [row for row in self.rows if row.kind in ("oracle", "trivial")]


def read_recorded(record: Mapping[str, Any], where: object) -> Recorded:
    """Return the scores of a record. Raises LabError, naming `where`, for one of another shape."""
    try:
        metrics = read_metrics(record["metrics"])
        rows = tuple(read_row(name, values) for name, values in record["rows"].items())
        return Recorded(record["task"], metrics, find_metric(metrics, record["main"], str(where)), rows)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise LabError(f"{where}: not the record of a run, or of one of lab_lib 0.1 ({reason})") from None


def words_of(task: str) -> Words:
    """Return a task's words; plain words for a task that is not on this machine."""
    try:
        return find_task(task).words
    except LabError:
        return UNKNOWN
