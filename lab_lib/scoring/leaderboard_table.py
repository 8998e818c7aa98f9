"""The leaderboard as a table: our number, its interval, and ours minus the published one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_lib.evaluation.scores import Metric, Row, Scores
from lab_lib.results.cells import Cell, markdown_table, span, terminal_table
from lab_lib.runs.score import scores_of
from lab_lib.tasks.base import Task

if TYPE_CHECKING:
    from rich.table import Table

FITTING = 4  # columns that fit a terminal of 80; the files have all of them
DELTA = "\N{GREEK CAPITAL LETTER DELTA}"


def columns_of(task: Task[Any]) -> dict[str, Metric]:
    """Return {heading in published tables: our metric}, the columns of a task; else those of its main table."""
    own = {metric.heading: metric for metric in task.metrics if not metric.group}
    return dict(task.published.columns) or own


@dataclass(frozen=True)
class Entry:
    """One scored system, the published numbers as printed, and its file; None for the rows every table has."""

    row: Row
    published: Mapping[str, str] = field(default_factory=dict)
    path: Path | None = None

    @property
    def scores(self) -> Scores:
        """Our scores of the system."""
        return scores_of(self.row)

    def difference(self, key: str) -> float | None:
        """Return our number, rounded as the published one is printed, minus the published one; None without it."""
        if key not in self.published or key not in self.scores.values:
            return None
        places = len(self.published[key].partition(".")[2])
        return round(round(self.scores.values[key], places) - float(self.published[key]), places) + 0.0


def to_terminal(entries: Sequence[Entry], task: Task[Any], notes: Sequence[str], title: str) -> Table:
    """Return the main scores, each with its difference, as a rich table of 80 columns."""
    # For replies: 10 for names + 4 scores x (9 + 5), the widest 2 more, + 8 gaps = 76 of 80 columns.
    fitting = [metric for metric in columns_of(task).values() if not metric.descriptive][:FITTING]
    return terminal_table(_headings(fitting), _lines(entries, fitting), notes, title)


def to_markdown(entries: Sequence[Entry], task: Task[Any], notes: Sequence[str]) -> str:
    """Return all columns, each with its difference, as a GitHub table."""
    metrics = list(columns_of(task).values())
    return markdown_table(_headings(metrics), _lines(entries, metrics), notes)


def _headings(metrics: Sequence[Metric]) -> list[str]:
    """Return the headings, each followed by that of its difference."""
    return [text for metric in metrics for text in (metric.heading, DELTA)]


def _lines(entries: Sequence[Entry], metrics: Sequence[Metric]) -> list[tuple[str, list[Cell]]]:
    """Return (name, cells) of some columns."""
    return [(entry.row.name, [cell for metric in metrics for cell in _cells(entry, metric)]) for entry in entries]


def _cells(entry: Entry, metric: Metric) -> tuple[Cell, Cell]:
    """Return a number with its interval, and its difference from the published one."""
    if metric.key not in entry.scores.values:
        return Cell("-"), Cell("")
    low_high = entry.scores.intervals.get(metric.key)
    away = entry.difference(metric.key)
    printed = "" if away is None else f"{away:+.{metric.decimals}f}"
    number = f"{entry.scores.values[metric.key]:.{metric.decimals}f}"
    return Cell(number, span(*low_high, metric.decimals) if low_high else ""), Cell(printed)


def table_notes(entries: Sequence[Entry], task: Task[Any]) -> list[str]:
    """Return the sentences under the table: what its numbers are, and what was scored of each row."""
    over, answers = task.words.items, task.words.answers
    sentences = [f"Ranges: 95 % intervals (bootstrap over {over})."] if any(e.scores.intervals for e in entries) else []
    if any(entry.published for entry in entries):
        away = f"{DELTA}: our number, rounded as printed, minus the published one."
        sentences.append(" ".join(filter(None, [away, task.published.remark])))
    sizes = [f"{entry.scores.items} {over}, {entry.scores.answers} {answers}" for entry in entries]
    common = max(sizes, key=sizes.count)
    others = [f"{entry.row.name} {size}" for entry, size in zip(entries, sizes, strict=True) if size != common]
    sentences.append(f"Scored: {common}{'; but of ' if others else ''}{'; of '.join(others)}.")
    for entry in entries:  # what in a published row does not follow from the rest of it
        found = task.published.fault({key: float(text) for key, text in entry.published.items()})
        sentences += [f"{entry.row.name}: {found}."] if found else []
    return sentences
