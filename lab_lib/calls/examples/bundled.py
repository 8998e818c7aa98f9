"""The paths of example files: bundled ones, and those that a user names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lab_lib.errors import LabError
from lab_lib.files import expanded, listed

FOLDER = Path(__file__).resolve().parents[2] / "data" / "skills"
TRAIN, HELD_OUT = FOLDER / "train", FOLDER / "held-out"


def example_files(places: Sequence[str | Path]) -> list[Path]:
    """Return the files that are named, and the .txt files of the folders. Raises LabError for a folder without any."""
    found: list[Path] = []
    for place in map(expanded, places):
        inside = listed(place, "*.txt") if os.path.isdir(place) else [place]
        if not inside:
            raise LabError(f"{place}: no .txt files in this folder")
        found += inside
    return found
