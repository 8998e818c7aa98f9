"""Two notebooks from one source: the student's, with stubs and no outputs, and the complete one, to be executed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from copy import deepcopy
from importlib import metadata
from pathlib import Path
from typing import Any

from lab_lib.course.points import GRAPE
from lab_lib.course.setup_cell import setup_cell
from lab_lib.course.source import CODE_STUB, EXERCISE, TEXT_STUB, exercises, has_solution, read_source, stubbed
from lab_lib.errors import LabError
from lab_lib.files import read_text

BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
NO_TASK = ("", 0)
# The set-up cell is collapsed when a notebook is opened: the second key is for JupyterLab, the third for Colab.
SET_UP = {"tags": ["setup"], "jupyter": {"source_hidden": True}, "cellView": "form"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
FORMAT = {"nbformat": 4, "nbformat_minor": 5}
Text = Callable[[str, str, str], str]  # (text of a cell, its type, its place) -> the text in the notebook


def repository() -> str:
    """Return this repository's address, as pyproject.toml gives it. Raises LabError when the metadata has none."""
    for line in metadata.metadata("lab_lib").get_all("Project-URL") or []:
        label, _, address = line.partition(", ")
        if label == "Repository":
            return str(address).rstrip("/")
    raise LabError("lab_lib was installed without [project.urls] Repository; install it again: pip install -e .")


def student_notebook(path: Path, stuck: bool = True) -> dict[str, Any]:
    """Return the student's notebook of a source: stubs in place of marked regions, no outputs.

    With `stuck` every exercise says where its solution is. Raises LabError, naming file and cell, for wrong markers,
    exercises out of order, or one without check or stub.
    """
    return _notebook(path, "notebooks", _stub, stuck)


def solution_notebook(path: Path) -> dict[str, Any]:
    """Return the complete notebook of a source, not executed yet. Raises as `student_notebook`.

    It keeps the marker words: they show which parts students write, and nbgrader generates assignments from them.
    """
    return _notebook(path, "solutions", lambda text, kind, where: text, stuck=False)


def to_text(notebook: Any) -> str:
    """Return the text of a notebook file, as nbformat writes it."""
    import nbformat

    copy = nbformat.from_dict(deepcopy(notebook))  # writes() splits the lines of its argument in place
    return str(nbformat.writes(copy)).rstrip("\n") + "\n"


def source_hash(path: Path) -> str:
    """Return the first 16 hex digits of the SHA-256 of a lab's source."""
    return hashlib.sha256(read_text(path).encode()).hexdigest()[:16]


def _stub(text: str, kind: str, where: str) -> str:
    return stubbed(text, CODE_STUB if kind == "code" else TEXT_STUB, where)


def _notebook(path: Path, folder: str, show: Text, stuck: bool) -> dict[str, Any]:
    source = [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in read_source(path).cells]
    _check_order(path, read_text(path))
    if not source or not source[0][1].startswith(f"# {path.name[:2]} · "):
        raise LabError(f"{path}: the first cell should begin with '# {path.name[:2]} · Title'")
    seen: set[str] = set()
    cells = []
    task = NO_TASK
    for place, (kind, text, extra) in enumerate(source, 1):
        task = _task(task, text)
        shown = show(text, kind, f"{path}, cell {place}")
        shown = _dressed(shown, place, path, folder, stuck)
        cells.append(_cell(kind, shown, text, extra, task, seen))
        if place == 1:
            cells.append(_cell("code", setup_cell(repository()), "", SET_UP, NO_TASK, seen))
    lab = {"name": path.stem, "source": source_hash(path)}
    return {
        **FORMAT,
        "cells": cells,
        "metadata": {"kernelspec": KERNEL, "lab": lab, "language_info": {"name": "python"}},
    }


def _check_order(path: Path, text: str) -> None:
    """Raise LabError unless exercises are numbered NN.1, NN.2, ... and each has a stub before its check."""
    found = exercises(text)
    wanted = [f"{path.name[:2]}.{place}" for place in range(1, len(found) + 1)]
    if found != wanted:
        raise LabError(f"{path}: exercises should be numbered {', '.join(wanted)}; found {', '.join(found)}")
    parts = EXERCISE.split(text)
    for name, part in zip(parts[1::2], parts[2::2], strict=True):
        before, marker, _ = part.partition(f'check("{name}"')
        if not marker or not has_solution(before):
            missing = "marked solution before its check" if marker else "check"
            raise LabError(f"{path}: exercise {name} has no {missing}")


def _task(task: tuple[str, int], text: str) -> tuple[str, int]:
    """Return the exercise (`04.2`) or `question` that a cell belongs to, and the number of grapes in its heading."""
    heading = re.search(r"^#+ (?:Exercise (\d\d\.\d+)|Question\b).*", text, re.MULTILINE)
    if heading is None:
        return NO_TASK if re.match(r"#+ ", text) else task
    return heading[1] or "question", heading[0].count(GRAPE)


def _dressed(text: str, place: int, path: Path, folder: str, stuck: bool) -> str:
    """Return a cell with what the builder adds: a badge above the title, links to the solution under an exercise."""
    address = repository()
    if place == 1:
        link = address.replace("https://github.com/", "https://colab.research.google.com/github/")
        return f"[![Open in Colab]({BADGE})]({link}/blob/main/{folder}/{path.stem}.ipynb)\n\n{text}"
    name = re.search(r"^#+ Exercise (\d\d\.\d+)\b", text, re.MULTILINE)
    if name is None or not stuck:
        return text
    return (
        f'{text}\n\n<sub>Stuck? `solve("{name[1]}")` of `lab_lib.course` lends a solution for 0 points; '
        f"`lab course reveal {name[1]}` prints it; "
        f"[all solutions]({address}/blob/main/solutions/{path.stem}.ipynb).</sub>"
    )


def _cell(
    kind: str, shown: str, text: str, extra: dict[str, Any], task: tuple[str, int], seen: set[str]
) -> dict[str, Any]:
    meta = {key: extra[key] for key in SET_UP if key in extra} | _grading(kind, text, task)
    cell = {
        "cell_type": kind,
        "id": _id(text or shown, seen),
        "metadata": meta,
        "source": shown,
    }
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def _id(text: str, seen: set[str]) -> str:
    """Return a cell id that depends on the source alone, the same in both notebooks."""
    turn = 0
    while (name := hashlib.sha256(f"{turn} {text}".encode()).hexdigest()[:8]) in seen:
        turn += 1
    seen.add(name)
    return name


def _grading(kind: str, text: str, task: tuple[str, int]) -> dict[str, Any]:
    """Return nbgrader's metadata (its schema version 3) of a stub, a check or an answer; nothing for other cells.

    Grapes are points: those of an exercise go to its check, those of a question to its answer, which a person grades.
    """
    name, grapes = task
    check = kind == "code" and text.startswith(f'check("{name}"')
    if not name or not (check or has_solution(text)):
        return {}
    part = "check" if check else "answer" if kind == "markdown" else "stub"
    # Several cells may belong to one exercise; nbgrader requires unique ids.
    grade_id = f"{part}-{name.replace('.', '-')}-{hashlib.sha256(text.encode()).hexdigest()[:4]}"
    graded = {"grade": part != "stub", "locked": check, "solution": not check, "grade_id": grade_id}
    points = {"points": grapes} if part != "stub" else {}
    return {"nbgrader": {"schema_version": 3, "task": False, **graded, **points}}
