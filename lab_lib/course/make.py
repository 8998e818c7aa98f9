"""`make notebooks`: build what changed, execute the solutions, write both notebooks of each lab."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lab_lib.course.build import solution_notebook, student_notebook, to_text
from lab_lib.course.execute import execute
from lab_lib.course.points import write_points
from lab_lib.course.source import find_lab, lab_sources
from lab_lib.course.verify import lab_faults
from lab_lib.files import read_json, reading, write_text


def make(root: Path, numbers: Sequence[str], force: bool, console: Console) -> None:
    """Bring the notebooks of some labs (all, when none are named) in line with their sources.

    A lab whose notebooks are already in line is left alone, and outputs are kept where only text changed, unless
    `force`. Nothing is written when a cell fails. Raises LabError for wrong markers, an unknown lab or a failing cell.
    """
    write_points(root)
    sources = [find_lab(root, number) for number in numbers] or list(lab_sources(root).values())
    for source in sources:
        if not force and not lab_faults(root, source):
            console.print(f"{source.stem}: unchanged")
            continue
        student, fresh = to_text(student_notebook(source)), solution_notebook(source)
        executed = None if force else with_outputs(fresh, root / "solutions" / f"{source.stem}.ipynb")
        if executed is None:
            console.print(f"{source.stem}: executing ...")
            executed = execute(fresh, source.stem)
        write_text(root / "notebooks" / f"{source.stem}.ipynb", student)
        write_text(root / "solutions" / f"{source.stem}.ipynb", to_text(executed))
        console.print(f"{source.stem}: written")


def with_outputs(fresh: dict[str, Any], stored: Path) -> dict[str, Any] | None:
    """Return `fresh` with the stored outputs if its code is the same; None if it has to be executed.

    So a change of text does not repeat an hour of training.
    """
    if not stored.exists():
        return None
    with reading(stored, "a notebook"):
        before = [cell for cell in read_json(stored)["cells"] if cell["cell_type"] == "code"]
    code = [cell for cell in fresh["cells"] if cell["cell_type"] == "code"]
    if ["".join(cell["source"]) for cell in before] != [cell["source"] for cell in code]:
        return None
    if any(cell["execution_count"] != place for place, cell in enumerate(before, 1)):
        return None
    for cell, old in zip(code, before, strict=True):
        cell["outputs"], cell["execution_count"] = old["outputs"], old["execution_count"]
    return fresh
