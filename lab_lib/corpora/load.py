"""Corpora by name: the bundled town, MultiWOZ 2.2, or any folder in the same layout."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from lab_lib.corpora.multiwoz import read_multiwoz
from lab_lib.corpora.types import Corpus, Dropped
from lab_lib.errors import LabError, nearest

TOWN = Path(__file__).resolve().parent.parent / "data" / "town"
NAMES = ("town", "multiwoz22")


def load_corpus(name: str) -> Corpus:
    """Return the corpus called `name`: "town", "multiwoz22", or the path of a folder in MultiWOZ 2.2 layout.

    Nothing is downloaded. Raises LabError for an unknown name, and for a corpus that is not on this machine.
    """
    if name == "town":
        return read_multiwoz(TOWN, TOWN, "town")
    if name == "multiwoz22":
        return read_multiwoz(*_multiwoz_folders(), "multiwoz22")
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise LabError(f"no corpus and no folder is called '{name}'{nearest(name, NAMES)}")
    if (folder / "data.json").exists():
        return read_multiwoz(folder, folder, folder.resolve().name)
    found = read_multiwoz(folder, None, folder.resolve().name)
    return replace(found, dropped=(*found.dropped, Dropped("data.json", "goals, bookings and database: no data.json")))


def _multiwoz_folders() -> tuple[Path, Path]:
    """Return the folders of MultiWOZ 2.2 (dialogues) and 2.1 (goals): in LAB_DATA, else in the cache."""
    places = [Path(os.environ["LAB_DATA"])] if os.environ.get("LAB_DATA") else []
    for place in [*places, cache_folder()]:
        if (place / "multiwoz22" / "schema.json").exists() and (place / "multiwoz21" / "data.json").exists():
            return place / "multiwoz22", place / "multiwoz21"
    looked = " and ".join(str(place) for place in [*places, cache_folder()])
    raise LabError(f"MultiWOZ 2.2 is not here (looked in {looked}): run `lab data fetch multiwoz22`")


def cache_folder() -> Path:
    """Return the folder for downloaded corpora: LAB_CACHE, else the user's cache folder."""
    base = os.environ.get("LAB_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "lab_lib")
    return Path(base).expanduser()
