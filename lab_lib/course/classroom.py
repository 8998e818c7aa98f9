"""The folder of a class: `lab course build --class` writes a file there that turns off solutions and changes inputs."""

from __future__ import annotations

from pathlib import Path

from lab_lib.errors import LabError
from lab_lib.files import read_json_object

MARK = "class.json"  # {"seed": 7}


def class_seed(folder: Path | None = None) -> int | None:
    """Return the seed of the class that `folder` (default: the working folder) belongs to; None outside of a class."""
    place = (folder or Path()).resolve()
    for here in (place, *place.parents):
        if (here / MARK).is_file():
            seed = read_json_object(here / MARK).get("seed")
            if type(seed) is not int or seed < 0:
                raise LabError(f"{here / MARK}: expected a whole number 'seed', for example 7")
            return seed
    return None


def require_solutions(what: str) -> None:
    """Raise LabError in the folder of a class, where solutions are turned off."""
    if class_seed() is not None:
        raise LabError(f"{what}: solutions are turned off in the folder of this class; ask your teacher")
