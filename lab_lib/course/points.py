"""Points of the exercises, one for each 🍇 in a heading of a lab's source, and whether they are core or optional.

Where only the package is installed (Colab) there are no sources to count in, so `lab course build` stores the counts.
"""

from __future__ import annotations

import json
import os
import re
import sys
from functools import cache
from pathlib import Path

from lab_lib.course.source import lab_sources
from lab_lib.errors import LabError, nearest
from lab_lib.files import read_json, read_text, write_text

STORED = Path("lab_lib", "data", "course", "points.json")  # below a checkout
FILE = Path(__file__).resolve().parents[2] / STORED
GRAPE = "🍇"
KINDS = ("core", "optional")
HEADING = re.compile(rf"^# #+ Exercise (\d\d\.\d+)\b.*?({GRAPE}+)(?: · (\w+))?", re.MULTILINE)


@cache
def points() -> dict[str, dict[str, int]]:
    """Return the points of every exercise by lab: `{"04": {"04.1": 2, ...}, ...}`."""
    return {lab: {name: most for name, (most, _) in found.items()} for lab, found in read_json(FILE).items()}


@cache
def optional() -> frozenset[str]:
    """Return the exercises that a course short of time leaves out; all others are core."""
    return frozenset(
        name for found in read_json(FILE).values() for name, (_, kind) in found.items() if kind == "optional"
    )


def counted(root: Path) -> str:
    """Return the text of the file, counted in the sources of a checkout: one line for each lab.

    Raises LabError for a heading that does not say whether its exercise is core or optional.
    """
    labs = {
        number: {name: [len(grapes), kind] for name, grapes, kind in HEADING.findall(read_text(path))}
        for number, path in lab_sources(root).items()
    }
    for number, found in labs.items():
        for name, (_, kind) in found.items():
            if kind not in KINDS:
                raise LabError(f"lab {number}: the heading of {name} should end with {' or '.join(KINDS)} behind a ·")
    return "{\n" + ",\n".join(f'"{number}": {json.dumps(found)}' for number, found in labs.items()) + "\n}\n"


def points_fault(root: Path) -> str | None:
    """Return what is wrong with the stored points of a checkout; None if they match its sources."""
    path = root / STORED
    if not path.parent.is_dir() or (path.exists() and read_text(path) == counted(root)):
        return None
    return f"{path}: differs from the headings in solutions/; run 'make notebooks'"


def write_points(root: Path) -> None:
    """Bring the stored points in line with the sources of a checkout."""
    if points_fault(root):
        write_text(root / STORED, counted(root))
        points.cache_clear()
        optional.cache_clear()


def exercise_id(name: str) -> str:
    """Return the id of an exercise as the course writes it: `4.2` is `04.2`. Raises LabError for an unknown one.

    >>> exercise_id("4.2")
    '04.2'
    """
    lab, dot, number = name.strip().partition(".")
    found = f"{lab.zfill(2)}{dot}{number}"
    known = [exercise for exercises in points().values() for exercise in exercises]
    if found not in known:
        raise LabError(f"exercise {name!r}: there is no such exercise{nearest(found, known)}")
    return found


def grapes(count: int) -> str:
    """Return points as the course shows them: `🍇🍇`, or `(2 points)` where emojis are off or cannot be encoded.

    LAB_EMOJI=0 turns emojis off, for machines without an emoji font.
    """
    if os.environ.get("LAB_EMOJI") != "0" and _writes(GRAPE):
        return GRAPE * count
    return f"({count} point{'' if count == 1 else 's'})"


def in_words(text: str) -> str:
    """Return a text with every row of grapes written in words.

    >>> in_words("### Exercise 04.2 · Room 🍇🍇🍇")
    '### Exercise 04.2 · Room (3 points)'
    """
    return re.sub(f"{GRAPE}+", lambda row: f"({len(row[0])} point{'' if len(row[0]) == 1 else 's'})", text)


def tick() -> str:
    """Return the mark of a right answer: `✓`, or `ok` where it cannot be encoded."""
    return "✓" if _writes("✓") else "ok"


def cross() -> str:
    """Return the mark of a wrong answer: `✗`, or `wrong:` where it cannot be encoded."""
    return "✗" if _writes("✗") else "wrong:"


def _writes(sign: str) -> bool:
    try:
        sign.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
