"""A table with any columns, for a terminal and as GitHub markdown: one name and one cell per column in each row.

`table.py` decides the columns of scores.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lab_lib.errors import one_line, visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.table import Table
    from rich.text import Text

ABOVE = "\N{UPWARDS ARROW}"
Line = tuple[str, Sequence["Cell"]]  # a name and its cells


@dataclass(frozen=True)
class Cell:
    """One cell of a table: a number, its interval (or ""), and whether it is better than the oracle's."""

    text: str
    interval: str = ""
    above: bool = False

    @property
    def line(self) -> str:
        """The cell on one line.

        >>> Cell("18.9", "17.8–20.1").line
        '18.9 (17.8–20.1)'
        """
        mark = ABOVE if self.above else ""
        return f"{self.text}{mark} ({self.interval})" if self.interval else f"{self.text}{mark}"


def number(value: Any, decimals: int = 1) -> str:
    """Write a whole number as it is, any other with its decimals, and `-` for None, NaN and infinities.

    >>> [number(value) for value in (18.94, 100.0, 1407, -0.01, None, float("nan"))]
    ['18.9', '100.0', '1407', '0.0', '-', '-']
    """
    if value is None or not math.isfinite(value):
        return "-"
    if isinstance(value, numbers.Integral):
        return str(value)
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # adding 0.0 turns -0.0 into 0.0


def span(low: float, high: float, decimals: int = 1) -> str:
    """Write an interval; a dash between its ends would be read as a minus where one is below 0.

    >>> span(17.83, 20.1), span(-1.2, -0.5)
    ('17.8–20.1', '-1.2 to -0.5')
    """
    ends = number(float(low), decimals), number(float(high), decimals)
    return (" to " if any(end.startswith("-") for end in ends) else "–").join(ends)


def terminal_table(
    headings: Sequence[str], lines: Sequence[Line], notes: Sequence[str] = (), title: str = "", corner: str = "System"
) -> Table:
    """Return a rich table: one name and its cells per line, `notes` under it, `corner` over the names.

    Intervals stand under their numbers, so that seven columns fit a terminal of 80.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    # Text() everywhere: a plain string would be read as markup, and a system may be called "[red]". A line break in a
    # name or a note would forge a row or a note.
    table = Table(
        title=Text(f"{one_line(title)}\n") if title else None,
        title_justify="left",
        caption=Text("\n".join(["", *map(one_line, notes)])),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    table.add_column(corner, overflow="fold", min_width=min(19, max((len(name) for name, _ in lines), default=1)))
    for heading in headings:
        table.add_column(Text(one_line(heading)), justify="right", no_wrap=True)
    for name, cells in lines:
        table.add_row(Text(one_line(name)), *(_terminal_cell(cell) for cell in cells))
    return table


class Fitting:
    """A table for a terminal; intervals have no decimals if names would otherwise have to be broken."""

    def __init__(self, headings: Sequence[str], lines: Sequence[Line], notes: Sequence[str], title: str, corner: str):
        self.whole = terminal_table(headings, lines, notes, title, corner)
        short = [(name, [replace(cell, interval=rounded(cell.interval)) for cell in cells]) for name, cells in lines]
        self.short = terminal_table(headings, short, notes, title, corner)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """Yield the form of the table that fits."""
        fits = self.whole.__rich_measure__(console, options.update(max_width=1000)).maximum <= options.max_width
        yield self.whole if fits else self.short


@dataclass(frozen=True)
class Narrowed:
    """A table for a terminal; where it is too wide, the last columns are left out, but never `kept`.

    A note says how many are left out, and `where` they are.
    """

    headings: Sequence[str]
    lines: Sequence[Line]
    notes: Sequence[str]
    title: str
    corner: str
    kept: str
    where: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """Yield the widest form of the table that fits."""
        columns = list(range(len(self.headings)))
        while not self._fits(columns, console, options):
            others = [column for column in columns if self.headings[column] != self.kept]
            if not others:
                break
            columns.remove(others[-1])
        yield self._table(columns)

    def _fits(self, columns: Sequence[int], console: Console, options: ConsoleOptions) -> bool:
        wide = options.update(max_width=1000)
        return self._table(columns).__rich_measure__(console, wide).maximum <= options.max_width

    def _table(self, columns: Sequence[int]) -> Table:
        left = len(self.headings) - len(columns)
        more = [f"{left} more columns: {self.where}."] if left else []
        lines = [(name, [cells[column] for column in columns]) for name, cells in self.lines]
        return terminal_table(
            [self.headings[column] for column in columns], lines, [*more, *self.notes], self.title, self.corner
        )


def rounded(interval: str) -> str:
    """Return an interval of numbers with one decimal without it.

    >>> rounded("119.0–132.7"), rounded("0.031–0.052")
    ('119–133', '0.031–0.052')
    """
    return re.sub(r"(?<![\d.])(\d+\.\d)(?!\d)", lambda found: f"{float(found[1]):.0f}", interval)


def _terminal_cell(cell: Cell) -> Text:
    """Return a number with its dimmed interval on the next line."""
    from rich.text import Text

    text = Text(cell.text + ABOVE, style="bold yellow") if cell.above else Text(cell.text)
    return text.append(f"\n{cell.interval}", style="dim not bold") if cell.interval else text


def markdown_table(
    headings: Sequence[str], lines: Sequence[Line], notes: Sequence[str] = (), corner: str = "System"
) -> str:
    """Return a GitHub table: one name and its cells per line, `notes` under it. Names are escaped."""
    rows = [[escape(corner), *headings], ["---", *["---:"] * len(headings)]]
    rows += [[escape(name), *(cell.line for cell in cells)] for name, cells in lines]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return table + "".join(f"\n{escape(sentence)}\n" for sentence in notes)


def escape(text: str) -> str:
    """Escape what GitHub markdown would read as markup, and put the text on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&!$@])", r"\\\1", visible(" ".join(text.split())))
