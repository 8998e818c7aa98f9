"""The tables that students fill; a table has one board per lab task and corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from lab_lib.errors import LabError, nearest


@dataclass(frozen=True)
class Table:
    """One table: its heading, the question it answers, and whether its rows are scored (or are speeds).

    In a row's JSON the field `task` names its table and `lab_task` the lab task, so that rows from before there were
    several lab tasks stay valid.
    """

    title: str
    question: str
    scored: bool = True


TABLES = {
    "speed": Table("Task 0: speed", "How many iterations per second does your machine make?", scored=False),
    "off-the-shelf": Table("Models off the shelf", "What do models score without fine-tuning?"),
    "decoding": Table("Decoding", "What do decoding strategies score with the same weights?"),
    "training": Table("Fine-tuning", "What do fine-tuned models score?"),
}
SPLIT = "test"  # settings are chosen on dev; a row reports the choice once
FIRST = "response"  # the lab task of a row that names none
# Rows with expensive answers may use a sample, the same for everybody: the one drawn with these values of data.max_test
# and data.seed. A free choice of the seed would allow choosing the luckiest sample.
SAMPLE, SAMPLE_SEED = 200, 0


class Board(NamedTuple):
    """A ranking of rows: a table, a lab task and a corpus (both empty for speeds)."""

    table: str
    task: str = ""
    corpus: str = ""

    @property
    def figure(self) -> str:
        """The name of the board's figure. It omits the first lab task, whose figures are older than the others."""
        return "-".join([self.table, *([] if self.task == FIRST else [self.task]), self.corpus]) + ".svg"


def system_of(row: Mapping[str, Any], items: int) -> str:
    """Return the name of a row's system, with the size of its sample if the test split has more `items`."""
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
