"""The values between nodes: a path, the hash of its content, and numbers about it.

A model or a tokenizer on an edge would be dangerous: a cache that compares only attributes would give the same
fingerprint to models with different weights, and old predictions would be combined with new weights.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab_lib.dataflows.place import here
from lab_lib.errors import LabError
from lab_lib.files import read_jsonl, sha256, write_jsonl, writing
from lab_lib.folders import apply_umask, folder_beside, list_files, sync

# {"path": below the folder of artefacts, "sha256": of the content, and numbers}. A plain dict: it is written as JSON.
Artefact = dict[str, Any]
KEYS = ("path", "sha256")


@contextmanager
def new_artefact(name: str, **numbers: Any) -> Iterator[tuple[Path, Artefact]]:
    """Yield an empty folder to write into, and the artefact that it becomes when the `with` ends without an error.

    The folder is renamed to its hash at once, so there is no half-written artefact. More numbers may be put into the
    artefact inside the `with`.
    """
    found: Artefact = dict(numbers)
    with folder_beside(here().artefacts / name) as folder:
        yield folder, found
        digest = tree_hash(folder)
        found |= {"path": f"{digest[:16]}-{name}", "sha256": digest}
        final = here().artefacts / found["path"]
        if not is_whole(found):
            with writing(final):
                shutil.rmtree(final, ignore_errors=True)  # a damaged one of the same content
                apply_umask(folder)
                sync(folder)
                folder.rename(final)


def tree_hash(folder: Path) -> str:
    """Return the SHA-256 of the names and contents of all files in a folder, 64 hex digits."""
    lines = [f"{about['sha256']}  {name}\n" for name, about in sorted(list_files(folder).items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def is_artefact(value: Any) -> bool:
    """Return whether a value is an artefact."""
    return isinstance(value, Mapping) and all(isinstance(value.get(key), str) for key in KEYS)


def is_whole(artefact: Mapping[str, Any]) -> bool:
    """Return whether what an artefact names is there, unchanged."""
    folder = here().artefacts / artefact["path"]
    return folder.is_dir() and tree_hash(folder) == artefact["sha256"]


def folder_of(artefact: Mapping[str, Any]) -> Path:
    """Return the folder of an artefact. Raises LabError where it is gone or changed."""
    folder = here().artefacts / artefact["path"]
    if not folder.is_dir():
        raise LabError(f"{folder}: no such artefact; run the dataflow again in this folder")
    if tree_hash(folder) != artefact["sha256"]:
        raise LabError(
            f"{folder}: changed since it was written (its hash differs); remove it and run the dataflow again"
        )
    return folder


def keep_file(path: Path, name: str, **numbers: Any) -> Artefact:
    """Return the artefact of a copy of a file, whose own name is no part of it."""
    if not path.is_file():
        raise LabError(f"{path}: no such file")
    with new_artefact(name, **numbers) as (folder, found), writing(folder):
        shutil.copyfile(path, folder / (name + "".join(path.suffixes)))
        found |= {"bytes": path.stat().st_size, "file_sha256": sha256(path)}
    return found


def keep_folder(source: Path, name: str, inside: str, **numbers: Any) -> Artefact:
    """Return the artefact of a copy of a folder, called `inside` in it; names that begin with a dot are left out."""
    if not source.is_dir():
        raise LabError(f"{source}: no such folder")
    with new_artefact(name, **numbers) as (folder, found), writing(folder):
        for file in list_files(source):
            place = folder / inside / file
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, place)
    return found


def keep_rows(rows: Iterable[Any], name: str, **numbers: Any) -> Artefact:
    """Return the artefact of some JSON rows."""
    with new_artefact(name, **numbers) as (folder, found):
        write_jsonl(folder / f"{name}.jsonl", rows)
    return found


def rows_of(artefact: Mapping[str, Any]) -> list[Any]:
    """Return the rows of the one JSONL file of an artefact."""
    (path,) = folder_of(artefact).glob("*.jsonl")
    return read_jsonl(path)
