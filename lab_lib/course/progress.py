"""Which exercises are solved: `check` counts their points, and a notebook keeps them in the folder it works in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from lab_lib.course.points import grapes, optional, points
from lab_lib.errors import LabError
from lab_lib.files import read_json_or, write_json

FILE = Path("progress.json")  # in the folder of the notebooks: {exercise: points earned}
EARNED: dict[str, int] = {}  # by this process


def reward(exercise: str, borrowed: bool = False) -> str:
    """Record a solved exercise (a borrowed solution for 0 points), and return what `check` prints about its points.

    Earned points are never reduced. Outside notebooks they are not written to a file. Returns "" for an exercise
    without points. If the file cannot be written, the returned text says so: the answer is right all the same.
    """
    lab = points().get(exercise.partition(".")[0], {})
    if exercise not in lab:
        return ""
    EARNED[exercise] = max(0 if borrowed else lab[exercise], EARNED.get(exercise, 0))
    known, note = EARNED, ""
    if in_notebook():
        try:
            known = _keep()
        except LabError as error:
            note = f" (not kept: {error})"
    what = grapes(lab[exercise]) if known[exercise] else "(borrowed, 0 points)"
    return f" {what} · {sum(known.get(name, 0) for name in lab)} of {sum(lab.values())} in this lab{note}"


def earned(folder: Path) -> dict[str, int]:
    """Return the points of the solved exercises of a folder of notebooks. Raises LabError where nothing was checked."""
    found = _read(folder)
    if not found:
        raise LabError(f"{folder / FILE}: no exercise was checked in a notebook of this folder yet")
    return found


def table(known: Mapping[str, int]) -> list[str]:
    """Return a line for each lab: a bar, points earned, exercises solved and core ones; one more for borrowed ones."""
    lines = []
    for lab, exercises in points().items():
        have, all_ = sum(known.get(name, 0) for name in exercises), sum(exercises.values())
        solved = [name for name in exercises if known.get(name)]
        lent = [name for name in exercises if known.get(name) == 0]
        core = [name for name in exercises if name not in optional()]
        bar = "#" * round(20 * have / all_)
        done = f"{len(solved)} of {len(exercises)} (core {len(set(core) & set(solved))} of {len(core)})"
        lines.append(f"{lab}  [{bar:<20}] {have:2} of {all_:2} points, {done}")
        lines += [f"    borrowed: {', '.join(lent)}"] if lent else []
    have, all_ = sum(known.values()), sum(sum(exercises.values()) for exercises in points().values())
    return [*lines, f"{have} of {all_} points of exercises; questions are graded by a person"]


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    return "ipykernel.zmqshell" in sys.modules and sys.modules["ipykernel.zmqshell"].ZMQInteractiveShell.initialized()


def _keep() -> dict[str, int]:
    """Merge the points of this process into the stored ones, write them, and return all."""
    stored = _read(Path())
    known = stored | {name: max(got, stored.get(name, 0)) for name, got in EARNED.items()}
    if known != stored:
        write_json(FILE, dict(sorted(known.items())))
    return known


def _read(folder: Path) -> dict[str, int]:
    """Return the stored points of a folder, for existing exercises only. Raises LabError for a damaged file."""
    found = read_json_or({}, folder / FILE)
    known = {name: most for exercises in points().values() for name, most in exercises.items()}
    return {name: got for name, got in found.items() if name in known and type(got) is int and 0 <= got <= known[name]}
