"""A folder of a class: `lab course build --class` leaves a file in it that turns solutions off and changes inputs."""

from __future__ import annotations

from pathlib import Path

from lab_lib.errors import LabError
from lab_lib.files import read_json_object

MARK = "class.json"  # {"seed": 7}


def class_seed(folder: Path | None = None) -> int | None:
    """Return the seed of the class whose folder (or one below it) this is, None outside of one."""
    place = (folder or Path()).resolve()
    for here in (place, *place.parents):
        if (here / MARK).is_file():
            seed = read_json_object(here / MARK).get("seed")
            if type(seed) is not int or seed < 0:
                raise LabError(f"{here / MARK}: expected a whole number 'seed', for example 7")
            return seed
    return None


def require_solutions(what: str) -> None:
    """Raise LabError in a folder of a class: there solutions are turned off."""
    if class_seed() is not None:
        raise LabError(f"{what}: solutions are turned off in the folder of this class; ask your teacher")
