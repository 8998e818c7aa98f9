"""Corpora of exemplars by name: the bundled desk, skills, town; multiwoz22 and sgd if available; or a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab_lib.calls.examples.bundled import HELD_OUT, TRAIN, example_files
from lab_lib.corpora.load import TOWN, cache_folder
from lab_lib.errors import LabError, cut, nearest
from lab_lib.exemplars.convert import SPLITS, convert_corpus
from lab_lib.exemplars.files import EXEMPLARS, FUNCTIONS, read_exemplars, read_functions
from lab_lib.exemplars.origin import origin_schema, read_origin
from lab_lib.exemplars.part import Part, part_of
from lab_lib.exemplars.recognisers import NO_RECOGNISERS, RECOGNISERS, Recognisers, read_recognisers
from lab_lib.exemplars.skills import skill_exemplars
from lab_lib.files import expanded

DESK = Path(__file__).resolve().parent.parent / "data" / "understanding" / "desk"
NAMES = ("desk", "skills", "town", "multiwoz22", "sgd")


@dataclass(frozen=True)
class ExemplarCorpus:
    """A corpus of exemplars by split."""

    name: str
    parts: Mapping[str, Part] = field(repr=False)
    recognisers: Recognisers = field(default=NO_RECOGNISERS, repr=False)  # of the slots that have one

    def part(self, split: str) -> Part:
        """Return a split. Raises LabError for an unknown split."""
        if split not in self.parts:
            raise LabError(f"{self.name}: no split '{cut(split)}'{nearest(cut(split), self.parts)}")
        return self.parts[split]

    def report(self) -> list[str]:
        """Return one line per split with its size, and one line per reason for omissions."""
        return [f"{split}: {line}" for split, part in self.parts.items() for line in part.report()]


def load_exemplars(name: str) -> ExemplarCorpus:
    """Return a corpus by name, or from a folder or file.

    A folder holds the files of `lab understand convert`, dialogues in the layout of SGD, or a module of the files
    schema.json, exemplars.json and recognizers.json (origin.py), which becomes the split train. A file is such a schema
    alone. Downloads nothing. Raises LabError for an unknown name, and for a corpus that is not on this machine.
    """
    if name == "skills":
        return ExemplarCorpus(name, _skills())
    if name.endswith(".json") and os.path.isfile(expanded(name)):
        return ExemplarCorpus(expanded(name).stem, {"train": read_origin(expanded(name), alone=True)})
    folder = corpus_folder(name)
    path = folder / RECOGNISERS
    return replace(_of_folder(name, folder), recognisers=read_recognisers(path) if path.exists() else NO_RECOGNISERS)


def _of_folder(name: str, folder: Path) -> ExemplarCorpus:
    if (folder / FUNCTIONS).exists() or any((folder / split / EXEMPLARS).exists() for split in SPLITS):
        return ExemplarCorpus(name, _written(folder))
    if (schema := origin_schema(folder)) and not any((folder / split).is_dir() for split in SPLITS):
        return ExemplarCorpus(folder.name, {"train": read_origin(schema)})
    return ExemplarCorpus(name, convert_corpus(folder, folder.name))


def corpus_folder(name: str) -> Path:
    """Return the folder of a corpus by name. Raises LabError if it is not on this machine."""
    bundled = {"desk": DESK, "town": TOWN}
    if name in bundled:
        return bundled[name]
    if name in NAMES:
        places = [Path(os.environ["LAB_DATA"])] if os.environ.get("LAB_DATA") else []
        for place in (*places, cache_folder()):
            if (place / name).is_dir():
                return place / name
        looked = " and ".join(str(place) for place in (*places, cache_folder()))
        raise LabError(f"{name} is not here (looked in {looked}): run `lab data fetch {name}`")
    if not os.path.isdir(expanded(name)):
        raise LabError(f"no corpus of exemplars and no folder is called '{cut(name)}'{nearest(cut(name), NAMES)}")
    return expanded(name)


def _skills() -> dict[str, Part]:
    skills = read_functions(["home"])
    parts = {}
    for split, folder in (("train", TRAIN), ("test", HELD_OUT)):
        found, dropped = skill_exemplars(example_files([folder]), skills, split)
        parts[split] = part_of(skills, found, dropped)
    return parts


def _written(folder: Path) -> dict[str, Part]:
    """Return the splits of a folder of files; the functions are those of the split, or of the folder."""
    parts = {}
    for split in SPLITS:
        if (path := folder / split / EXEMPLARS).exists():
            own = folder / split / FUNCTIONS
            functions = read_functions([own if own.exists() else folder / FUNCTIONS])
            parts[split] = part_of(functions, read_exemplars(path))
    if not parts:
        raise LabError(f"{folder}: expected at least one of {', '.join(f'{split}/{EXEMPLARS}' for split in SPLITS)}")
    return parts
