"""The table of a run: one row a system, as a terminal table, as GitHub markdown and as HTML."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from lab_lib.errors import LabError, nearest
from lab_lib.results.assets import render

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

Kind = Literal["reference", "trivial", "base", "finetuned", "other"]

# Field -> heading. Scores are in points with one decimal and an interval; richness counts are plain numbers.
SCORES = {"bleu": "BLEU", "inform": "Inform", "success": "Success", "combined": "Combined"}
RICHNESS = {"avg_length": "Length", "unique_words": "Words", "unique_trigrams": "3-grams"}
HEADINGS = (*SCORES.values(), *RICHNESS.values())
ABOVE = "\N{UPWARDS ARROW}"


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one system on one set of dialogues; `None` means not measured and is shown as `-`.

    `bleu`, `inform` and `success` are points of 0-100, `combined` = (inform + success) / 2 + bleu (metrics of the
    MultiWOZ benchmark). `intervals` maps a score's name to the (low, high) of its 95 % interval. `avg_length` is
    words per reply; `unique_words` and `unique_trigrams` are counts over all replies. `own_state` says that Inform and
    Success were judged with the belief states the system predicted (end to end).
    Raises LabError for an unknown `kind`.
    """

    name: str
    kind: Kind
    bleu: float | None = None
    inform: float | None = None
    success: float | None = None
    combined: float | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    avg_length: float | None = None
    unique_words: int | None = None
    unique_trigrams: int | None = None
    dialogues: int | None = None
    turns: int | None = None
    own_state: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise LabError(f"row {self.name!r}: unknown kind {self.kind!r}{nearest(self.kind, get_args(Kind))}")


@dataclass(frozen=True)
class Cell:
    """What one place of the table shows: a number, its interval (or ""), and whether it beats the gold replies."""

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


def number(value: Any) -> str:
    """Write a whole number as it is, any other with one decimal, and `-` for None, NaN and infinities.

    >>> [number(value) for value in (18.94, 100.0, 1407, -0.01, None, float("nan"))]
    ['18.9', '100.0', '1407', '0.0', '-', '-']
    """
    if value is None or not math.isfinite(value):
        return "-"
    if isinstance(value, numbers.Integral):
        return str(value)
    return f"{round(value, 1) + 0.0:.1f}"  # adding 0.0 turns -0.0 into 0.0


def ordered(rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    """Return the rows as every table shows them: reference, trivial, base, fine-tuned, others; otherwise as given."""
    return sorted(rows, key=lambda row: get_args(Kind).index(row.kind))


def table_cells(rows: Sequence[ScoreRow]) -> list[tuple[ScoreRow, list[Cell]]]:
    """Return each row, in order, with its cells: the four scores, then the three richness numbers."""
    reference = next((row for row in rows if row.kind == "reference"), None)
    return [
        (row, [*(_score(row, name, reference) for name in SCORES), *(_count(row, name) for name in RICHNESS)])
        for row in ordered(rows)
    ]


def _count(row: ScoreRow, name: str) -> Cell:
    """Return the cell of one richness number."""
    return Cell(number(getattr(row, name)))


def _score(row: ScoreRow, name: str, reference: ScoreRow | None) -> Cell:
    """Return the cell of one score."""
    value: float | None = getattr(row, name)
    low, high = row.intervals.get(name) or (None, None)
    interval = "" if low is None or high is None else f"{_points(low)}–{_points(high)}"
    gold: float | None = getattr(reference, name) if reference else None
    above = row.kind != "reference" and value is not None and gold is not None and value > gold
    return Cell(_points(value), interval, above)


def _points(value: float | None) -> str:
    """Write a score, which keeps its decimal even when it came as a whole number."""
    return number(None if value is None else float(value))


def notes(rows: Sequence[ScoreRow]) -> list[str]:
    """Return the sentences under the table: what was scored, what the ranges are, and which rows to distrust."""
    cells = [cell for _, row in table_cells(rows) for cell in row]
    sentences = [_sizes(rows)] if any(row.dialogues for row in rows) else []
    if own := [row.name for row in ordered(rows) if row.own_state]:
        sentences.append(
            f"End to end, with their own belief states: {', '.join(own)}; the others with the gold states."
        )
    if any(cell.interval for cell in cells):
        sentences.append("Ranges: 95 % intervals (bootstrap over dialogues).")
    if any(cell.above for cell in cells):
        sentences.append(f"{ABOVE} above the gold replies: look for a leak or a trick before believing it.")
    return sentences


def _sizes(rows: Sequence[ScoreRow]) -> str:
    """Say how many dialogues and replies were scored, row by row where the rows differ."""
    sizes = {row.name: f"{number(row.dialogues)} dialogues, {number(row.turns)} replies" for row in ordered(rows)}
    if len(set(sizes.values())) == 1:
        return f"{next(iter(sizes.values()))}."
    return f"Scored on different sets: {'; '.join(f'{name}: {size}' for name, size in sizes.items())}."


def to_terminal(rows: Sequence[ScoreRow], title: str = "") -> Table:
    """Return a rich table with each interval under its score, so that it fits 80 columns."""
    # Widest cells: 3 x 11 + 11 + 6 + 5 + 7 = 62; with 7 gaps 69 of 80 columns, so 11 for names ("fine-tuned").
    return terminal_table(HEADINGS, _lines(rows), notes(rows), title)


def _lines(rows: Sequence[ScoreRow]) -> list[tuple[str, list[Cell]]]:
    """Return (name, cells) in table order."""
    return [(row.name, cells) for row, cells in table_cells(rows)]


def terminal_table(
    headings: Sequence[str],
    lines: Sequence[tuple[str, Sequence[Cell]]],
    notes: Sequence[str] = (),
    title: str = "",
    corner: str = "System",
) -> Table:
    """Return a rich table of any columns: a name and its cells a line, `notes` under it, `corner` over the names."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    # Text() everywhere: a plain string would be read as markup, and a system may be called "[red]".
    table = Table(
        title=Text(f"{title}\n") if title else None,
        title_justify="left",
        caption=Text("\n".join(["", *notes])),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    table.add_column(corner, overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, cells in lines:
        table.add_row(Text(name), *(_terminal_cell(cell) for cell in cells))
    return table


def _terminal_cell(cell: Cell) -> Text:
    """Return a number with its dimmed interval on the next line."""
    from rich.text import Text

    text = Text(cell.text + ABOVE, style="bold yellow") if cell.above else Text(cell.text)
    return text.append(f"\n{cell.interval}", style="dim not bold") if cell.interval else text


def to_markdown(rows: Sequence[ScoreRow]) -> str:
    """Return a GitHub table, then its notes. Names are escaped, so that none can break out of its cell."""
    return markdown_table(HEADINGS, _lines(rows), notes(rows))


def markdown_table(
    headings: Sequence[str],
    lines: Sequence[tuple[str, Sequence[Cell]]],
    notes: Sequence[str] = (),
    corner: str = "System",
) -> str:
    """Return a GitHub table of any columns: a name and its cells a line, `notes` under it, all names escaped."""
    rows = [[_escape(corner), *headings], ["---", *["---:"] * len(headings)]]
    rows += [[_escape(name), *(cell.line for cell in cells)] for name, cells in lines]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return table + "".join(f"\n{_escape(sentence)}\n" for sentence in notes)


def _escape(text: str) -> str:
    """Escape what GitHub markdown would read as markup, and put the text on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&!$@])", r"\\\1", " ".join(text.split()))


def to_html(rows: Sequence[ScoreRow]) -> str:
    """Return the table as an HTML `<table>` with its notes as a list; names are escaped."""
    return render("table.html", **html_values(rows))


def html_values(rows: Sequence[ScoreRow]) -> dict[str, list]:
    """Return what the template `table.html` needs."""
    return {"headings": list(HEADINGS), "lines": table_cells(rows), "notes": notes(rows)}
