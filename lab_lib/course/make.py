"""`make notebooks`: build what changed, execute the solutions, write both notebooks of each lab."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lab_lib.course.build import solution_notebook, student_notebook, to_text
from lab_lib.course.execute import execute
from lab_lib.course.source import find_lab, lab_sources
from lab_lib.course.verify import lab_faults
from lab_lib.files import write_text


def make(root: Path, numbers: Sequence[str], force: bool, console: Console) -> None:
    """Bring the notebooks of some labs (all, when none are named) in line with their sources.

    A lab whose notebooks are already in line is left alone, outputs included, unless `force`. Nothing is written when a
    cell fails. Raises LabError for wrong markers, an unknown lab or a failing cell.
    """
    sources = [find_lab(root, number) for number in numbers] or list(lab_sources(root).values())
    for source in sources:
        if not force and not lab_faults(root, source):
            console.print(f"{source.stem}: unchanged")
            continue
        console.print(f"{source.stem}: executing ...")
        student = to_text(student_notebook(source))
        executed = execute(solution_notebook(source), source.stem)
        write_text(root / "notebooks" / f"{source.stem}.ipynb", student)
        write_text(root / "solutions" / f"{source.stem}.ipynb", to_text(executed))
        console.print(f"{source.stem}: written")
