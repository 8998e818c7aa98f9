"""A working copy of the notebooks: for one student, or for a class."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from lab_lib.course.build import student_notebook, to_text
from lab_lib.course.classroom import MARK
from lab_lib.course.points import in_words
from lab_lib.course.reveal import NAMES, fetched
from lab_lib.course.source import checkout, find_lab, lab_sources
from lab_lib.errors import LabError
from lab_lib.files import read_text, write_json, write_text
from lab_lib.models.hub import DATA

LOOKED_AT = ("town", "skills", "chats")  # bundled data that the labs read, for students to open and change
IGNORED = "# A copy to work in: git leaves it alone, also inside a checkout.\n*\n"


def start(folder: Path, emoji: bool = True) -> list[str]:
    """Write every notebook and the data of the labs into a folder; return one line for each file written or kept.

    An existing notebook is kept as it is: it is the student's. Without `emoji` grapes become words. Raises LabError
    for a folder whose files git tracks, and without network where there is no checkout.
    """
    refuse_tracked(folder)
    lines = []
    for name in NAMES.values():
        path = folder / f"{name}.ipynb"
        if path.exists():
            lines.append(f"{path}: kept as it is")
            continue
        text = _stored(name)
        write_text(path, text if emoji else in_words(text))
        lines.append(f"{path}: written")
    return [*lines, *_surroundings(folder)]


def build_class(folder: Path, numbers: list[str], seed: int) -> list[str]:
    """Write the notebooks of a class: no links to solutions, solutions turned off, other inputs in the checks.

    All labs, or those in `numbers`; the seed decides the inputs. Raises LabError for a folder that a student works in
    (progress.json), for a folder whose files git tracks, an unknown lab, and without a checkout.
    """
    refuse_tracked(folder)
    root = checkout()
    if (folder / "progress.json").exists():
        raise LabError(f"{folder}: somebody works in this folder (progress.json); choose another one")
    sources = [find_lab(root, number) for number in numbers] or list(lab_sources(root).values())
    lines = []
    for source in sources:
        path = write_text(folder / f"{source.stem}.ipynb", to_text(student_notebook(source, stuck=False)))
        lines.append(f"{path}: written")
    write_json(folder / MARK, {"seed": seed})
    return [*lines, *_surroundings(folder), f"{folder / MARK}: solutions are off, inputs are those of seed {seed}"]


def refuse_tracked(folder: Path) -> None:
    """Raise LabError for a folder some of whose files git tracks, and for a path that is not a folder."""
    if folder.exists() and not folder.is_dir():
        raise LabError(f"{folder}: a file, expected a folder or a name for a new one")
    if not folder.exists() or shutil.which("git") is None:
        return
    done = subprocess.run(["git", "ls-files"], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode == 0 and done.stdout.strip():
        first = done.stdout.split("\n", 1)[0]
        raise LabError(f"{folder}: git tracks files here ({first}); choose a folder outside, such as ~/lab")


def _surroundings(folder: Path) -> list[str]:
    """Write the files beside the notebooks: the data and .gitignore."""
    write_text(folder / ".gitignore", IGNORED)
    lines = []
    for name in LOOKED_AT:
        target = folder / "data" / name
        if target.exists():
            lines.append(f"{target}: kept as it is")
            continue
        shutil.copytree(DATA / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        lines.append(f"{target}: written")
    return lines


def _stored(name: str) -> str:
    """Return the text of a student's notebook: from the checkout, or from the repository's address."""
    try:
        root = checkout()
    except LabError:
        return fetched(f"notebooks/{name}.ipynb")
    return read_text(root / "notebooks" / f"{name}.ipynb")
