"""The table of function calls: one row a category, then the leaderboard's means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab_lib.evaluation.calls_types import CallScores
from lab_lib.results.table import Cell, ScoreRow, number, terminal_table

if TYPE_CHECKING:
    from rich.table import Table

HEADINGS = ("Accuracy", "Best assignment")
EXPLAINED = (
    "Accuracy: right calls in per cent by the leaderboard's rules, which take parallel calls in turn. Best assignment: "
    "the same, if each of them may stand for any expected call."
)


def call_lines(scores: CallScores) -> list[tuple[str, list[Cell]]]:
    """Return (category or mean, cells) in the scorer's order."""
    return [(name, [_accuracy(scores, name), Cell(number(scores.accuracy_exact[name]))]) for name in scores.accuracy]


def _accuracy(scores: CallScores, name: str) -> Cell:
    low, high = scores.intervals.get(name, (None, None))
    return Cell(number(scores.accuracy[name]), "" if low is None else f"{number(low)}–{number(high)}")


def call_notes(scores: CallScores) -> list[str]:
    """Return the sentences under the table: what was scored, what the columns are, and which failures there were."""
    failures = ", ".join(f"{name} {count}" for name, count in scores.error_types.items())
    ranges = ["Ranges: 95 % intervals (bootstrap over items)."] if scores.intervals else []
    return [f"{scores.items} items.", EXPLAINED, *ranges, f"Failures: {failures or 'none'}", *scores.notes]


def to_terminal(scores: CallScores, title: str) -> Table:
    """Return a rich table with each interval under its accuracy; it is too narrow for the notes."""
    return terminal_table(HEADINGS, call_lines(scores), (), title, corner="Category")


def html_values(scores: CallScores) -> dict[str, Any]:
    """Return what the template `table.html` needs."""
    lines = [(ScoreRow(name, "other"), cells) for name, cells in call_lines(scores)]
    return {"corner": "Category", "headings": list(HEADINGS), "lines": lines, "notes": call_notes(scores)}
