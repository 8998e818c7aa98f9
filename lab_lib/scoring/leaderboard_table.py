"""The leaderboard as a table: our number, its interval, and ours minus the published one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab_lib.evaluation.scores import Metric
from lab_lib.results.cells import Cell, markdown_table, span, terminal_table
from lab_lib.tasks.base import Published, Words

if TYPE_CHECKING:
    from rich.table import Table

FITTING = 4  # columns that fit a terminal of 80; the files have all of them
DELTA = "\N{GREEK CAPITAL LETTER DELTA}"


@dataclass(frozen=True)
class Board:
    """What the leaderboard of a task shows: {heading in published tables: our metric}, and the task's words."""

    columns: Mapping[str, Metric]
    published: Published = field(default_factory=Published)
    words: Words = field(default_factory=Words)

    @property
    def metrics(self) -> list[Metric]:
        """The columns, in order."""
        return list(self.columns.values())

    @property
    def fitting(self) -> list[Metric]:
        """The columns that a terminal shows."""
        return [metric for metric in self.metrics if not metric.descriptive][:FITTING]


@dataclass(frozen=True)
class Entry:
    """One system: our values by metric, 95 % intervals where there are any, and the published numbers as printed."""

    name: str
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    published: Mapping[str, str] = field(default_factory=dict)

    def difference(self, key: str) -> float | None:
        """Return our number, rounded as the published one is printed, minus the published one; None without it.

        >>> Entry("x", {"main": 18.94}, published={"main": "18.9"}).difference("main")
        0.0
        """
        if key not in self.published or key not in self.values:
            return None
        places = len(self.published[key].partition(".")[2])
        return round(round(self.values[key], places) - float(self.published[key]), places) + 0.0


def to_terminal(entries: Sequence[Entry], board: Board, notes: Sequence[str], title: str) -> Table:
    """Return the main scores, each with its difference, as a rich table of 80 columns."""
    # For replies: 10 for names + 4 scores x (9 + 5), the widest 2 more, + 8 gaps = 76 of 80 columns.
    return terminal_table(_headings(board.fitting), _lines(entries, board.fitting), notes, title)


def to_markdown(entries: Sequence[Entry], board: Board, notes: Sequence[str]) -> str:
    """Return all columns, each with its difference, as a GitHub table."""
    return markdown_table(_headings(board.metrics), _lines(entries, board.metrics), notes)


def _headings(metrics: Sequence[Metric]) -> list[str]:
    """Return the headings, each followed by that of its difference."""
    return [text for metric in metrics for text in (metric.heading, DELTA)]


def _lines(entries: Sequence[Entry], metrics: Sequence[Metric]) -> list[tuple[str, list[Cell]]]:
    """Return (name, cells) of some columns."""
    return [(entry.name, [cell for metric in metrics for cell in _cells(entry, metric)]) for entry in entries]


def _cells(entry: Entry, metric: Metric) -> tuple[Cell, Cell]:
    """Return a number with its interval, and its difference from the published one."""
    if metric.key not in entry.values:
        return Cell("-"), Cell("")
    low_high = entry.intervals.get(metric.key)
    away = entry.difference(metric.key)
    printed = "" if away is None else f"{away:+.{metric.decimals}f}"
    number = f"{entry.values[metric.key]:.{metric.decimals}f}"
    return Cell(number, span(*low_high, metric.decimals) if low_high else ""), Cell(printed)


def table_notes(entries: Sequence[Entry], sizes: Mapping[str, str], board: Board) -> list[str]:
    """Return the sentences under the table; `sizes` is {system: what was scored of it}."""
    over = board.words.items
    sentences = [f"Ranges: 95 % intervals (bootstrap over {over})."] if any(e.intervals for e in entries) else []
    if any(entry.published for entry in entries):
        away = f"{DELTA}: our number, rounded as printed, minus the published one."
        sentences.append(" ".join(filter(None, [away, board.published.remark])))
    common = max(sizes.values(), key=list(sizes.values()).count)
    others = [f"{name} {size}" for name, size in sizes.items() if size != common]
    sentences.append(f"Scored: {common}{'; but of ' if others else ''}{'; of '.join(others)}.")
    return sentences + [sentence for entry in entries for sentence in _contradictions(entry, board)]


def _contradictions(entry: Entry, board: Board) -> list[str]:
    """Say what in a published row does not follow from the rest of it."""
    found = board.published.fault({key: float(text) for key, text in entry.published.items()})
    return [f"{entry.name}: {found}."] if found else []


def as_json(entry: Entry, board: Board) -> dict[str, Any]:
    """Return plain JSON values of a row's columns."""
    shown = {metric.key for metric in board.metrics}
    return {
        "values": {key: value for key, value in entry.values.items() if key in shown},
        "intervals": {key: list(pair) for key, pair in entry.intervals.items() if key in shown},
        "published": {key: float(text) for key, text in entry.published.items()},
        "ours_minus_published": {key: entry.difference(key) for key in entry.published},
    }
