"""The comment on a pull request: each new row between its neighbours."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from lab_lib.submissions.benchmark import find_benchmark
from lab_lib.submissions.form import read_rows
from lab_lib.submissions.render import by_board, table
from lab_lib.submissions.tables import TABLES

NEIGHBOURS = 2  # rows above and below a new one


def comment(root: Path, new: Collection[Path]) -> str:
    """Return Markdown with the tables that have new rows, reduced to these rows and their neighbours.

    Raises LabError if a row is invalid: no part of it, not even its name, may appear in a comment.
    """
    names = {str(path.relative_to(root)) for path in new if path.suffix == ".json"}
    parts = []
    for board, rows in by_board(read_rows(root)).items():
        order = list(rows)
        places = [place for place, path in enumerate(order) if path in names]
        near = {n for place in places for n in range(place - NEIGHBOURS, place + NEIGHBOURS + 1)}
        shown = {path: rows[path] for place, path in enumerate(order) if place in near}
        if shown:
            where = f" on {find_benchmark(board.task, board.corpus).public.heading}" if board.corpus else ""
            ranks = ", ".join(str(place + 1) for place in places)
            parts.append(f"### {TABLES[board.table].title}{where}: place {ranks} of {len(order)}\n")
            parts.append(table(board, shown, below=None))
    return "\n".join(parts) or "No new rows.\n"
