"""The table of belief states and calls of a run that predicts them: one row a system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from lab_lib.evaluation.state_calls import FIGURES, StateCallScores
from lab_lib.results.table import Cell, Kind, ScoreRow, markdown_table, number, ordered, terminal_table

if TYPE_CHECKING:
    from rich.table import Table

# Field of StateCallScores -> heading, in the order of FIGURES.
HEADINGS = dict(zip(FIGURES, ("Joint goal", "Slot F1", "Calls", "Calls due", "Same text"), strict=True))
EXPLAINED = (
    "Joint goal: turns whose whole belief state is right. Calls: turns whose calls are right (AST match); due: of the "
    "turns where something was to be called. Same text: calls written as in the training data. Malformed: texts that "
    "are no call; they change nothing."
)
Rows = Mapping[str, tuple[str, StateCallScores]]  # row name -> kind, scores


def state_lines(rows: Rows) -> list[tuple[ScoreRow, list[Cell]]]:
    """Return each row, in table order, with its cells: the figures in per cent, and how many calls are malformed."""
    heads = ordered([ScoreRow(name, cast(Kind, kind)) for name, (kind, _) in rows.items()])
    return [(head, [*_cells(rows[head.name][1]), Cell(number(rows[head.name][1].malformed))]) for head in heads]


def _cells(scores: StateCallScores) -> list[Cell]:
    cells = []
    for name in FIGURES:
        low_high = scores.intervals.get(name)
        interval = f"{number(low_high[0])}–{number(low_high[1])}" if low_high else ""
        cells.append(Cell(number(float(getattr(scores, name))), interval))
    return cells


def headings() -> list[str]:
    """Return the headings of the table."""
    return [*HEADINGS.values(), "Malformed"]


def state_notes(rows: Rows) -> list[str]:
    """Return the sentences under the table: what the columns are, and what was wrong with calls, by system."""
    sentences = [EXPLAINED]
    if any(scores.intervals for _, scores in rows.values()):
        sentences.append("Ranges: 95 % intervals (bootstrap over dialogues).")
    for name, (_, scores) in rows.items():
        if scores.problems:
            found = ", ".join(f"{kind} {count}" for kind, count in scores.problems.items())
            sentences.append(f"{name}: {found}, of {scores.turns} calls.")
    return sentences


def to_terminal(rows: Rows, title: str = "") -> Table:
    """Return a rich table with each interval under its figure."""
    lines: Sequence[tuple[str, Sequence[Cell]]] = [(row.name, cells) for row, cells in state_lines(rows)]
    return terminal_table(headings(), lines, state_notes(rows), title)


def to_markdown(rows: Rows) -> str:
    """Return a GitHub table, then its notes."""
    return markdown_table(headings(), [(row.name, cells) for row, cells in state_lines(rows)], state_notes(rows))


def html_values(rows: Rows) -> dict[str, Any]:
    """Return what the template `table.html` needs."""
    return {"headings": headings(), "lines": state_lines(rows), "notes": state_notes(rows)}
