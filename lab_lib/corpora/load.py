"""Corpora by name: the bundled town, MultiWOZ 2.2, or any folder in the same layout."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from lab_lib.corpora.multiwoz import SPLITS, read_multiwoz
from lab_lib.corpora.types import Corpus, Dropped
from lab_lib.errors import LabError, cut, nearest
from lab_lib.files import expanded, listed

TOWN = Path(__file__).resolve().parent.parent / "data" / "town"
NAMES = ("town", "multiwoz22")


def load_corpus(name: str) -> Corpus:
    """Return the corpus called `name`: "town", "multiwoz22", or the path of a folder in MultiWOZ 2.2 layout.

    Nothing is downloaded. Raises LabError for an unknown name, and for a corpus that is not on this machine.
    """
    dialogues, goals = _folders(name)
    found = read_multiwoz(dialogues, goals, name if name in NAMES else dialogues.resolve().name)
    if goals:
        return found
    return replace(found, dropped=(*found.dropped, Dropped("data.json", "goals, bookings and database: no data.json")))


def corpus_files(name: str) -> dict[str, Path]:
    """Return {name: path} of the files that `load_corpus` reads. Raises LabError as it does."""
    dialogues, goals = _folders(name)
    kinds = ("schema.json", "dialog_acts.json", *(f"{split}/dialogues_*.json" for split in SPLITS))
    places = [(dialogues, kind) for kind in kinds]
    places += [(goals, kind) for kind in ("data.json", "db/*_db.json")] if goals else []
    found = {str(path.relative_to(folder)): path for folder, kind in places for path in listed(folder, kind)}
    return {name: found[name] for name in sorted(found)}


def _folders(name: str) -> tuple[Path, Path | None]:
    """Return the folders of a corpus: dialogues, and goals if it has them."""
    if name == "town":
        return TOWN, TOWN
    if name == "multiwoz22":
        return _multiwoz_folders()
    folder = expanded(name)
    if not os.path.isdir(folder):
        raise LabError(f"no corpus and no folder is called '{cut(name)}'{nearest(cut(name), NAMES)}")
    return folder, folder if (folder / "data.json").exists() else None


def _multiwoz_folders() -> tuple[Path, Path]:
    """Return the folders of MultiWOZ 2.2 (dialogues) and 2.1 (goals): in LAB_DATA, else in the cache."""
    places = [Path(os.environ["LAB_DATA"])] if os.environ.get("LAB_DATA") else []
    for place in [*places, cache_folder()]:
        if (place / "multiwoz22" / "schema.json").exists() and (place / "multiwoz21" / "data.json").exists():
            return place / "multiwoz22", place / "multiwoz21"
    looked = " and ".join(str(place) for place in [*places, cache_folder()])
    raise LabError(f"MultiWOZ 2.2 is not here (looked in {looked}): run `lab data fetch multiwoz22`")


def data_folder(name: str, way_out: str) -> Path:
    """Return the folder of that name in LAB_DATA, else in the cache. Raises LabError, with a way out, without one."""
    places = [Path(place) for place in (os.environ.get("LAB_DATA"), cache_folder()) if place]
    if (found := next((place / name for place in places if (place / name).is_dir()), None)) is not None:
        return found
    raise LabError(f"no '{name}' here (looked in {' and '.join(map(str, places))}): {way_out}")


def cache_folder() -> Path:
    """Return the folder for downloaded corpora: LAB_CACHE, else the user's cache folder."""
    base = os.environ.get("LAB_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "lab_lib")
    return Path(base).expanduser()
