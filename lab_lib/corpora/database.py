"""Find venues that meet a user's constraints: the database query of the MultiWOZ response scorer, with bit masks.

A set of rows is one Python integer, row number i being bit i. Each (column, value) pair is compared with
every row once and its mask kept, so that a query is a few ANDs; the published scorer compares row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rapidfuzz.distance import Indel, LCSseq, Levenshtein

from lab_lib.corpora.values import Rules, minutes, normalise_slot, normalise_value
from lab_lib.errors import LabError

# The searchable domains, each with the columns that are matched approximately.
FUZZY = {
    "restaurant": frozenset({"name", "food"}),
    "hotel": frozenset({"name"}),
    "attraction": frozenset({"name"}),
    "train": frozenset({"departure", "destination"}),
}
# Columns of the published tables that are not constraints.
HIDDEN = {
    "restaurant": frozenset({"location", "introduction", "signature"}),
    "hotel": frozenset({"location", "price", "takesbookings"}),
    "attraction": frozenset({"location", "openhours"}),
    "train": frozenset(),
}
ANYTHING = frozenset({"dontcare", "not mentioned", "don't care", "dont care", "do n't care", "do not care"})
UNKNOWN = "?"  # A row with this value meets every constraint on the column.
SIMILAR = 90  # The minimum partial_ratio of a match in a fuzzy column.


class Database:
    """Tables of a town by domain, for queries. Building one is cheap; masks are made on demand.

    `tables` is {domain: rows} with a row as published, e.g. `{"trainID": "TR7075", "leaveAt": "05:00", ...}`;
    domains without venues to choose from (taxi, police) may be in it and find nothing. The searchable
    columns are those of a table's first row. Raises LabError for a row that is no dict or has no id.
    """

    def __init__(self, tables: Mapping[str, Sequence[Mapping[str, Any]]], rules: Rules = "2022") -> None:
        self._tables = {domain: Table(domain, tables[domain], rules) for domain in FUZZY if tables.get(domain)}

    def query(self, domain: str, constraints: Mapping[str, Any]) -> frozenset[str]:
        """Return the ids of the venues that meet all constraints {slot: value}; of an unknown domain, none.

        Slots without a column (`bookday`) and values like `dontcare` are not constraints.
        """
        table = self._tables.get(domain)
        return table.ids(table.mask(constraints)) if table else frozenset()

    def rows(self, domain: str, constraints: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the venues of `query`, whole and in the order of the table, columns by `normalise_slot`."""
        table = self._tables.get(domain)
        return table.rows(table.mask(constraints)) if table else []

    def mask(self, domain: str, constraints: Mapping[str, Any]) -> int:
        """Return `query` as an integer whose bits are rows: offered <= wanted is `offered & ~wanted == 0`."""
        table = self._tables.get(domain)
        return table.mask(constraints) if table else 0

    def columns(self, domain: str) -> frozenset[str]:
        """Return the searchable columns of a domain, none where there is no table of it."""
        table = self._tables.get(domain)
        return table.columns if table else frozenset()


class Table:
    """The rows of one domain with the masks made so far."""

    def __init__(self, domain: str, rows: Sequence[Mapping[str, Any]], rules: Rules) -> None:
        self._rows = [_row(domain, number, row) for number, row in enumerate(rows)]
        self._ids = [str(row[_id_column(domain)]) for row in self._rows]
        self.columns = frozenset(self._rows[0]) - HIDDEN[domain]
        self._fuzzy = FUZZY[domain]
        self._rules: Rules = rules
        self._everything = (1 << len(rows)) - 1
        self._twins = _twins(self._ids)
        self._masks: dict[tuple[str, str], int] = {}
        self._folded: dict[int, int] = {}
        self._values = {column: self._by_value(column) for column in self.columns}

    def mask(self, constraints: Mapping[str, Any]) -> int:
        """Return the rows that meet all constraints."""
        found = self._everything
        for slot, value in constraints.items():
            column = normalise_slot(slot)
            if column in self.columns and not (isinstance(value, str) and value in ANYTHING):
                found &= self._column_mask(column, value)
        if found not in self._folded:
            self._folded[found] = self._with_twins(found)
        return self._folded[found]

    def ids(self, mask: int) -> frozenset[str]:
        """Return the ids of the rows in a mask."""
        return frozenset(id_ for number, id_ in enumerate(self._ids) if mask >> number & 1)

    def rows(self, mask: int) -> list[Mapping[str, Any]]:
        """Return the rows in a mask."""
        return [row for number, row in enumerate(self._rows) if mask >> number & 1]

    def _with_twins(self, found: int) -> int:
        """Add the rows that share an id with a row found: what is compared is ids, and trains share some."""
        for twins in self._twins:
            if found & twins:
                found |= twins
        return found

    def _column_mask(self, column: str, value: Any) -> int:
        """Return the rows whose column meets the wanted value; a value that is no text meets only `?`."""
        if not isinstance(value, str):
            return self._values[column].get(UNKNOWN, 0)
        key = (column, normalise_value(column, value, self._rules))
        if key not in self._masks:
            meets = self._test(*key)
            rows = self._values[column].items()
            self._masks[key] = sum(mask for text, mask in rows if text == UNKNOWN or meets(text))
        return self._masks[key]

    def _test(self, column: str, wanted: str) -> Callable[[str], bool]:
        """Return a column's comparison: times by order, fuzzy columns by similarity, others by equality."""
        if column == "arrive":
            latest = minutes(wanted)
            return lambda text: minutes(text) <= latest
        if column == "leave":
            earliest = minutes(wanted)
            return lambda text: minutes(text) >= earliest
        if column in self._fuzzy:
            return lambda text: similar(text, wanted)
        return lambda text: text == wanted

    def _by_value(self, column: str) -> dict[str, int]:
        """Return {value: rows that have it}; a row without the column (no phone) matches nothing."""
        masks: dict[str, int] = {}
        for number, row in enumerate(self._rows):
            if isinstance(value := row.get(column), (str, int)):
                masks[str(value)] = masks.get(str(value), 0) | 1 << number
        return masks


def partial_ratio(a: str, b: str) -> int:
    """Return the best match of the shorter string within the longer one, 0 to 100.

    The window is tried at each matching block of a Levenshtein edit script, and at the end; the score of a
    window is 2 LCS / (sum of lengths). This is `partial_ratio` as the published scorer computes it, which is
    not `rapidfuzz.fuzz.partial_ratio` (that one tries every window).

    >>> partial_ratio("nandos", "nandos city centre"), partial_ratio("ashley", "ask"), partial_ratio("", "a")
    (100, 67, 0)
    """
    if a == b:
        return 100
    if not a or not b:
        return 0
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    best = 0.0
    for block in Levenshtein.opcodes(short, long).as_matching_blocks():
        start = max(0, block.b - block.a)
        score = Indel.normalized_similarity(short, long[start : start + len(short)])
        if score > 0.995:
            return 100
        best = max(best, score)
    return round(100 * best)


def similar(a: str, b: str) -> bool:
    """Return whether `partial_ratio(a, b)` is at least 90, mostly without computing it.

    A ratio that rounds to 90 needs 2 m / (s + w) >= 0.895 with s the shorter length, m the common subsequence
    of the shorter string and a window, and a window of w >= m characters: m >= 0.895 s / 1.105 = 0.8099 s.
    The whole longer string has at least the window's m, so less than 0.8 s in common with it never suffices.
    """
    return LCSseq.similarity(a, b) >= 0.8 * min(len(a), len(b)) and partial_ratio(a, b) >= SIMILAR


def _row(domain: str, number: int, row: Any) -> dict[str, Any]:
    """Return a row with normalised column names and the misspelt type of published tables corrected."""
    if not isinstance(row, Mapping):
        raise LabError(f"database: {domain} row {number}: expected an object, found {type(row).__name__}")
    columns = {normalise_slot(name): value for name, value in row.items()}
    if (wanted := _id_column(domain)) not in columns:
        raise LabError(f"database: {domain} row {number}: no '{wanted}', columns: {sorted(columns)}")
    if columns.get("type") == "mutliple sports":  # Constraints are put right too, so it could never match.
        columns["type"] = "multiple sports"
    return columns


def _id_column(domain: str) -> str:
    """Return the column that names a venue."""
    return "trainid" if domain == "train" else "id"


def _twins(ids: Iterable[str]) -> list[int]:
    """Return a mask for each id that several rows have."""
    masks: dict[str, int] = {}
    for number, id_ in enumerate(ids):
        masks[id_] = masks.get(id_, 0) | 1 << number
    return [mask for mask in masks.values() if mask.bit_count() > 1]
