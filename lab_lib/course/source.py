"""A lab's source: percent-format text under solutions/, with nbgrader's marker words around what students write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, nearest
from lab_lib.files import read_text

BEGIN, END = "BEGIN SOLUTION", "END SOLUTION"
LINES = "LINES"  # in a stub: how many lines the solution has
CODE_STUB = (f"# YOUR CODE HERE ({LINES})", "raise NotImplementedError()")
TEXT_STUB = ("*Your answer here.*",)
EXERCISE = re.compile(r"^# #+ Exercise (\d\d\.\d+)\b", re.MULTILINE)


def checkout() -> Path:
    """Return the repository's folder. Raises LabError where the package is installed without it."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "solutions").is_dir():
        raise LabError(f"{root}: no solutions/ here; this works in a checkout of the repository")
    return root


def lab_sources(root: Path) -> dict[str, Path]:
    """Return the sources of all labs by number: `{"04": solutions/04_qlora.py, ...}`."""
    return {path.name[:2]: path for path in sorted((root / "solutions").glob("[0-9][0-9]_*.py"))}


def find_lab(root: Path, number: str) -> Path:
    """Return the source of a lab, by number (`04`) or name (`04_qlora`). Raises LabError for an unknown lab."""
    sources = lab_sources(root)
    if number[:2] not in sources:
        raise LabError(f"lab {number!r}: no such lab{nearest(number, sources)}")
    return sources[number[:2]]


def stubbed(text: str, stub: tuple[str, ...], where: str) -> str:
    """Return a cell's text with each marked region replaced by the stub, at the marker's indent.

    Raises LabError for a region that is nested, not closed, or closed without being open; `where` names the cell.

    >>> print(stubbed("def f(x):\\n    # BEGIN SOLUTION\\n    return x\\n    # END SOLUTION", ("# LINES",), "here"))
    def f(x):
        # roughly 1 line
    """
    lines: list[str] = []
    hidden: list[str] | None = None  # the lines of the region that is open
    for line in text.split("\n"):
        if BEGIN in line:
            if hidden is not None:
                raise LabError(f"{where}: {BEGIN} inside a solution that is not closed")
            indent, hidden = line[: len(line) - len(line.lstrip())], []
        elif END in line:
            if hidden is None:
                raise LabError(f"{where}: {END} without {BEGIN}")
            lines += [indent + part.replace(LINES, _roughly(hidden)) for part in stub]
            hidden = None
        elif hidden is None:
            lines.append(line)
        else:
            hidden.append(line)
    if hidden is not None:
        raise LabError(f"{where}: {BEGIN} is never closed")
    return "\n".join(lines)


def _roughly(hidden: list[str]) -> str:
    """Return `roughly 3 lines`: of code, without blank lines and comments."""
    count = sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in hidden)
    return f"roughly {count} line{'' if count == 1 else 's'}"


def has_solution(text: str) -> bool:
    """Return whether a cell has a marked region."""
    return BEGIN in text or END in text


def without_markers(text: str) -> str:
    """Return a cell as the solution shows it: the answer stays, the marker lines go."""
    return "\n".join(line for line in text.split("\n") if BEGIN not in line and END not in line)


def read_source(path: Path) -> Any:
    """Return a lab's source as a notebook (jupytext), its cells as they are written."""
    try:
        import jupytext
    except ImportError:
        raise LabError("notebooks are built with jupytext; install it with: pip install -e '.[notebooks]'") from None
    return jupytext.reads(read_text(path), fmt="py:percent")


def exercises(text: str) -> list[str]:
    """Return the ids of a source's exercises, in order."""
    return EXERCISE.findall(text)


def solution(exercise: str, text: str) -> str:
    """Return the code that solves an exercise: the marked cells between its heading and its check.

    `text` is the lab's percent-format source. Raises LabError for an unknown id.
    """
    start = re.search(rf"^# #+ Exercise {re.escape(exercise)}\b", text, re.MULTILINE)
    if start is None:
        raise LabError(f"exercise {exercise!r}: not in this lab{nearest(exercise, exercises(text))}")
    rest = text[start.start() :]
    end = rest.find(f'check("{exercise}"')
    cells = re.split(r"^# %%.*\n", rest[: None if end < 0 else end], flags=re.MULTILINE)
    marked = [without_markers(cell).strip("\n") for cell in cells[1:] if has_solution(cell)]
    if not marked:
        raise LabError(f"exercise {exercise!r}: its source marks no solution")
    return "\n\n\n".join(marked) + "\n"
