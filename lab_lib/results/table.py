"""The tables of a run: one row per system, one column per metric, one table per group of metrics.

Words and numbers come from the task (`Metric`, `Words`); the order of rows, the intervals and the warnings about
suspicious numbers are the same for every task.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab_lib.evaluation.scores import Metric
from lab_lib.results.assets import render
from lab_lib.results.cells import ABOVE, Cell, Fitting, escape, markdown_table, number, span, terminal_table
from lab_lib.results.rows import AnyRow, TableRow, ordered
from lab_lib.tasks.base import Words

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["Cell", "TableRow", "markdown_table", "number", "terminal_table", "to_html", "to_markdown", "to_terminal"]
WORDS = Words()
WIDEST = 8  # columns that fit a terminal of 80 characters; more metrics become lines


@dataclass(frozen=True)
class ScoreTable:
    """One table, ready for output: (name, kind, cells) per line. `flag` is the comparison that marks a number."""

    title: str
    corner: str
    headings: tuple[str, ...]
    lines: tuple[tuple[str, str, list[Cell]], ...]
    notes: tuple[str, ...]
    flag: str = ""


def groups(metrics: Iterable[Metric]) -> dict[str, list[Metric]]:
    """Return {group: its metrics}, the main one ("") first."""
    found: dict[str, list[Metric]] = {"": []}
    for metric in metrics:
        found.setdefault(metric.group, []).append(metric)
    return found


def tables(rows: Sequence[AnyRow], metrics: Sequence[Metric], words: Words = WORDS) -> list[ScoreTable]:
    """Return the main table (unless all metrics are in groups), then one table per group in which a row has values."""
    found: list[ScoreTable] = []
    for group, columns in groups(metrics).items():
        shown = shown_rows(rows, columns)
        if group:  # a metric without values has no column
            columns = [metric for metric in columns if any(metric.key in row.values for row in shown)]
        if shown or (not group and (columns or not metrics)):
            found.append(_table(group, shown, columns, words, sizes=not found))
    return found


def shown_rows(rows: Sequence[AnyRow], columns: Sequence[Metric]) -> list[TableRow]:
    """Return the rows, in order, with a value in one of the columns; rows without any value are in the main table."""
    main = not any(metric.group for metric in columns)
    keys = {metric.key for metric in columns}
    return [row for row in ordered(rows) if keys & row.values.keys() or (main and not row.values)]


def table_cells(rows: Sequence[TableRow], columns: Sequence[Metric]) -> list[tuple[TableRow, list[Cell]]]:
    """Return each row with its cells, compared with the first oracle row that has a value of the metric."""
    oracles = {key: row for row in reversed(rows) if row.kind == "oracle" for key in row.values}
    return [(row, [_cell(row, metric, oracles.get(metric.key)) for metric in columns]) for row in rows]


def _cell(row: TableRow, metric: Metric, oracle: TableRow | None) -> Cell:
    """Return the cell of one metric; for a descriptive one only the number."""
    if metric.key not in row.values:
        return Cell("-")
    value = float(row.values[metric.key])
    text = number(value, metric.decimals)
    if metric.descriptive:
        return Cell(text)
    low_high = row.intervals.get(metric.key)
    interval = span(*low_high, metric.decimals) if low_high else ""
    above = oracle is not None and row.kind != "oracle" and metric.better(value, oracle.values[metric.key])
    return Cell(text, interval, above)


def _table(group: str, rows: Sequence[TableRow], columns: Sequence[Metric], words: Words, *, sizes: bool) -> ScoreTable:
    """Return one table; if the metrics do not fit side by side, metrics are its lines and systems its columns.

    `sizes` adds a note on the number of scored items; the first of several tables has it.
    """
    cells = table_cells(rows, columns)
    headings = [metric.heading for metric in columns]
    flag = _flag(cells, columns)
    scored = _sizes([row for row, _ in cells], words) if sizes else []
    notes = (*scored, *_notes(group, cells, columns, words, flag))
    if len(columns) <= WIDEST:
        lines = [(row.name, row.kind, found) for row, found in cells]
        return ScoreTable(group, "System", tuple(headings), tuple(lines), notes, flag)
    turned = [(heading, "metric", [found[place] for _, found in cells]) for place, heading in enumerate(headings)]
    return ScoreTable(group, "Metric", tuple(row.name for row, _ in cells), tuple(turned), notes, flag)


def _flag(cells: Sequence[tuple[TableRow, list[Cell]]], columns: Sequence[Metric]) -> str:
    """Return the comparison of the marked numbers, `above the gold replies`; "" if none is marked."""
    marked = [metric for place, metric in enumerate(columns) if any(found[place].above for _, found in cells)]
    oracle = next((row.name for row, _ in cells if row.kind == "oracle"), "")
    if not marked:
        return ""
    return f"{'above' if all(metric.higher_is_better for metric in marked) else 'better than'} the {oracle}"


def _notes(
    group: str,
    cells: Sequence[tuple[TableRow, list[Cell]]],
    columns: Sequence[Metric],
    words: Words,
    flag: str,
) -> list[str]:
    """Return the sentences under a table: about its numbers, its ranges and suspicious rows."""
    rows = [row for row, _ in cells]
    measured = any(cell.interval for _, found in cells for cell in found)
    ranges = [f"Ranges: 95 % intervals (bootstrap over {words.items})."] if measured else []
    marked = [f"{ABOVE} {flag}: look for a leak or a trick before believing it."] if flag else []
    if group:
        explained = " ".join(dict.fromkeys(metric.explanation for metric in columns if metric.explanation))
        return [*([explained] if explained else []), *ranges, *_own_notes(rows, group), *marked]
    return [*_own_notes(rows, group), *ranges, *marked]


def _own_notes(rows: Sequence[TableRow], group: str) -> list[str]:
    """Return the task's sentences under the table, each once, with the names of its rows."""
    having: dict[str, list[str]] = {}
    for row in rows:
        for sentence in row.notes.get(group, ()):
            having.setdefault(sentence, []).append(row.name)
    return [sentence.replace("{rows}", ", ".join(names)) for sentence, names in having.items()]


def _sizes(rows: Sequence[TableRow], words: Words) -> list[str]:
    """Return the number of scored items and answers; if rows differ, each number with its rows."""
    if not any(row.items for row in rows):
        return []
    sizes = {row.name: f"{number(row.items)} {words.items}, {number(row.answers)} {words.answers}" for row in rows}
    if len(set(sizes.values())) == 1:
        return [f"{next(iter(sizes.values()))}."]
    of_size: dict[str, list[str]] = {}
    for name, size in sizes.items():
        of_size.setdefault(size, []).append(name)
    *others, most = sorted(of_size, key=lambda size: len(of_size[size]))
    parts = [f"{', '.join(of_size[size])}: {size}" for size in others]
    all_others = "all others" if len(of_size[most]) > 1 else of_size[most][0]
    return [f"Scored on different sets: {'; '.join([*parts, f'{all_others}: {most}'])}."]


def to_terminal(rows: Sequence[AnyRow], metrics: Sequence[Metric], title: str = "", words: Words = WORDS) -> Group:
    """Return the tables for a terminal, one under the other, each with its intervals under their scores."""
    from rich.console import Group

    found = []
    for one in tables(rows, metrics, words):
        head = ": ".join(filter(None, (title, one.title[:1].lower() + one.title[1:] if title else one.title)))
        lines = [(name, cells) for name, _, cells in one.lines]
        found.append(Fitting(one.headings, lines, one.notes, head, one.corner))
    return Group(*found)


def to_markdown(rows: Sequence[AnyRow], metrics: Sequence[Metric], words: Words = WORDS) -> str:
    """Return GitHub tables, each with its notes; the title of a group is in bold above its table."""
    found = []
    for one in tables(rows, metrics, words):
        head = f"**{escape(one.title)}**\n\n" if one.title else ""
        lines = [(name, cells) for name, _, cells in one.lines]
        found.append(head + markdown_table(one.headings, lines, one.notes, one.corner))
    return "\n".join(found)


def to_html(rows: Sequence[AnyRow], metrics: Sequence[Metric], words: Words = WORDS) -> str:
    """Return the tables as HTML `<table>`s, each with its notes as a list; names are escaped."""
    return "".join(render("table.html", table=one) for one in tables(rows, metrics, words))
