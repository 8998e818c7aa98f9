"""The tables that students fill, and the boards that a table has: one for each lab task and corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lab_lib.errors import LabError, nearest


@dataclass(frozen=True)
class Table:
    """One table: its heading, the question it answers, and whether its rows are scored (or are speeds).

    In a row's JSON the field `task` names its table, `lab_task` the lab task: rows that were merged before there were
    several lab tasks stay as they are.
    """

    title: str
    question: str
    scored: bool = True


TABLES = {
    "speed": Table("Task 0: speed", "How many iterations per second does your machine make?", scored=False),
    "off-the-shelf": Table("Models off the shelf", "What does a model score that was not fine-tuned here?"),
    "decoding": Table("Decoding", "What does a decoding strategy score, with the same weights?"),
    "training": Table("Fine-tuning", "What does a fine-tuned model score?"),
}
SPLIT = "test"  # choosing is for dev; a row reports what was chosen, once
FIRST = "response"  # the lab task of a row that names none
# Rows whose answers are dear may be of a sample, the same for everybody: what data.max_test and data.seed of these
# values draw. Whoever could choose the seed could choose the luckiest.
SAMPLE, SAMPLE_SEED = 200, 0


class Board(NamedTuple):
    """Where rows are ranked against one another: a table, a lab task and a corpus (both empty for speeds)."""

    table: str
    task: str = ""
    corpus: str = ""

    @property
    def figure(self) -> str:
        """The name of the board's figure. The first lab task is not named: its figures are older than the others."""
        return "-".join([self.table, *([] if self.task == FIRST else [self.task]), self.corpus]) + ".svg"


def system_of(row: Mapping[str, Any], items: int) -> str:
    """Return the name of a row's system; with the size of its sample, where the test split has more `items`."""
    size = row["dialogues"]
    return str(row["system"]) + (f", {size} of {items}" if size < items else "")


def find_table(name: str) -> Table:
    """Return a table by name. Raises LabError for an unknown one."""
    if name not in TABLES:
        raise LabError(f"table {name!r}: unknown{nearest(name, TABLES)}")
    return TABLES[name]


def lab_task(row: Mapping[str, Any]) -> str:
    """Return the name of the lab task of a scored row."""
    return str(row.get("lab_task", FIRST))


def board_of(row: Mapping[str, Any]) -> Board:
    """Return where a row is ranked."""
    scored = TABLES[row["task"]].scored
    return Board(row["task"], lab_task(row), row["corpus"]) if scored else Board(row["task"])
