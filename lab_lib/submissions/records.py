"""The table of recorded recipes in results/README.md: the question of each, and the answer of its record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lab_lib.files import read_json, reading
from lab_lib.results.cells import number, span
from lab_lib.results.rows import read_recorded, subject
from lab_lib.runs.config import recipe_names, recipe_title
from lab_lib.sweeps.baselines import floors_of
from lab_lib.sweeps.outcome import outcome


class Answer(NamedTuple):
    """A recorded recipe, its question, its record's answer, and the page of the record in its folder."""

    recipe: str
    question: str
    answer: str
    page: str


def answers(root: Path) -> list[Answer]:
    """Return the answers of every recipe with a record under `root` (results/): sweeps, then runs, by name.

    Raises LabError for a record of another shape.
    """
    found = []
    for name, read, page in (("summary.json", outcome, "summary.md"), ("record.json", reached, "")):
        for path in sorted(root.glob(f"*/{name}")):
            recipe = path.parent.name
            if recipe in recipe_names():
                with reading(path, "the record of a recipe"):
                    found.append(Answer(recipe, recipe_title(recipe), read(read_json(path), path), page))
    return found


def reached(record: Mapping[str, Any], where: object) -> str:
    """Return a run's score in the main metric, with those of its variants and of the best trivial baseline."""
    found = read_recorded(record, where)
    metric, row = found.main, subject(found.rows)
    if row is None or metric.key not in row.values:
        return "no system was scored"
    interval = f" ({span(*row.intervals[metric.key], metric.decimals)})" if metric.key in row.intervals else ""
    score = f"{metric.heading} {number(row.values[metric.key], metric.decimals)}{interval}"
    line = f"{score} on {row.items} {found.words.items}"
    for one in found.rows:
        if one.name.startswith(f"{row.name}, ") and metric.key in one.values:
            line += f"; {one.name.removeprefix(f'{row.name}, ')} {number(one.values[metric.key], metric.decimals)}"
    floors = floors_of(found.baselines, metric.key)
    if not floors:
        return line
    name = (max if metric.higher_is_better else min)(floors, key=lambda one: floors[one])
    return f"{line}; {name} {number(floors[name], metric.decimals)}"
