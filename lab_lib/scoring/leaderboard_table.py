"""The leaderboard as a table: our number, its interval, and ours minus the published one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab_lib.results.table import Cell, markdown_table, terminal_table

if TYPE_CHECKING:
    from rich.table import Table

# Our name of a column -> its heading in the published table.
COLUMNS = {
    "bleu": "BLEU",
    "inform": "Inform",
    "success": "Success",
    "combined": "Combined Score",
    "avg_lengths": "Av. len.",
    "cond_entropy": "CBE",
    "num_unigrams": "#uniq. words",
    "num_trigrams": "#uniq. 3-grams",
}
HEADINGS = ("BLEU", "Inform", "Success", "Combined", "Length", "CBE", "Words", "3-grams")
DECIMALS = dict(zip(COLUMNS, (1, 1, 1, 1, 2, 2, 0, 0), strict=True))
MAIN = 4  # columns that fit a terminal; the files have all of them
DELTA = "\N{GREEK CAPITAL LETTER DELTA}"


@dataclass(frozen=True)
class Entry:
    """One system: our values by column, 95 % intervals where there are any, and the published numbers as printed."""

    name: str
    kind: str
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    published: Mapping[str, str] = field(default_factory=dict)

    def difference(self, column: str) -> float | None:
        """Return our number, rounded as the published one is printed, minus the published one; None without it.

        >>> Entry("x", "other", {"bleu": 18.94}, published={"bleu": "18.9"}).difference("bleu")
        0.0
        """
        if column not in self.published:
            return None
        places = len(self.published[column].partition(".")[2])
        return round(round(self.values[column], places) - float(self.published[column]), places) + 0.0


def to_terminal(entries: Sequence[Entry], notes: Sequence[str], title: str) -> Table:
    """Return the four scores, each with its difference, as a rich table of 80 columns."""
    # 10 for names + 4 scores x (9 + 5), Combined 2 more, + 8 gaps = 76 of 80 columns.
    return terminal_table(_headings(MAIN), _lines(entries, MAIN), notes, title)


def to_markdown(entries: Sequence[Entry], notes: Sequence[str]) -> str:
    """Return all columns, each with its difference, as a GitHub table."""
    return markdown_table(_headings(len(COLUMNS)), _lines(entries, len(COLUMNS)), notes)


def _headings(count: int) -> list[str]:
    """Return the first headings, each followed by that of its difference."""
    return [text for heading in HEADINGS[:count] for text in (heading, DELTA)]


def _lines(entries: Sequence[Entry], count: int) -> list[tuple[str, list[Cell]]]:
    """Return (name, cells) of the first columns."""
    return [
        (entry.name, [cell for column in list(COLUMNS)[:count] for cell in _cells(entry, column)]) for entry in entries
    ]


def _cells(entry: Entry, column: str) -> tuple[Cell, Cell]:
    """Return a number with its interval, and its difference from the published one."""
    places = DECIMALS[column]
    low_high = entry.intervals.get(column)
    interval = f"{low_high[0]:.1f}–{low_high[1]:.1f}" if low_high else ""
    away = entry.difference(column)
    printed = "" if away is None else f"{away:+.{places}f}"
    return Cell(f"{entry.values[column]:.{places}f}", interval), Cell(printed)


def table_notes(entries: Sequence[Entry], sizes: Mapping[str, str]) -> list[str]:
    """Return the sentences under the table; `sizes` is {system: what was scored of it}."""
    sentences = ["Ranges: 95 % intervals (bootstrap over dialogues)."] if any(e.intervals for e in entries) else []
    if any(entry.published for entry in entries):
        sentences.append(
            f"{DELTA}: our number, rounded as printed, minus the published one. A published Combined is made of "
            "rounded scores, so 0.1 there may be rounding alone."
        )
    common = max(sizes.values(), key=list(sizes.values()).count)
    others = [f"{name} {size}" for name, size in sizes.items() if size != common]
    sentences.append(f"Scored: {common}{'; but of ' if others else ''}{'; of '.join(others)}.")
    return sentences + [sentence for entry in entries for sentence in _inconsistent(entry)]


def _inconsistent(entry: Entry) -> list[str]:
    """Say when a published Combined does not follow from the published scores it is made of."""
    parts = [entry.published.get(column) for column in list(COLUMNS)[:MAIN]]
    if None in parts:
        return []
    bleu, inform, success, combined = (float(part) for part in parts if part is not None)
    follows = (inform + success) / 2 + bleu
    # Three rounded numbers: at most 0.05 + 0.05 + 0.05 off, Combined's own rounding included.
    if abs(follows - combined) <= 0.151:
        return []
    return [f"{entry.name}: the published Combined {combined} does not follow from its row ({follows:.1f})."]


def as_json(entry: Entry) -> dict[str, Any]:
    """Return plain JSON values of a row."""
    return {
        "name": entry.name,
        "kind": entry.kind,
        "scores": dict(entry.values),
        "intervals": {name: list(pair) for name, pair in entry.intervals.items()},
        "published": {column: float(text) for column, text in entry.published.items()},
        "ours_minus_published": {column: entry.difference(column) for column in entry.published},
    }
