"""A checkout with one scored row and one speed, and ways to spoil it: what test_submissions_*.py stand on."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab_lib.corpora.load import load_corpus
from lab_lib.evaluation.baselines import random_replies
from lab_lib.files import read_json, sha256, write_json
from lab_lib.submissions.form import packed_path, row_name
from lab_lib.submissions.render import BOUNDS, RECORDS, write
from lab_lib.submissions.submit import submit_run, submit_speed
from lab_lib.submissions.tables import TABLES


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """A checkout that is in order, made once; tests spoil a copy of it: `root`."""
    return checkout(tmp_path_factory.mktemp("checkout")).parent


@pytest.fixture
def root(good, tmp_path) -> Path:
    """The folder results/ of a copy of it."""
    return shutil.copytree(good, tmp_path / "copy") / "results"


Spoil = Callable[[Path], Any]
PLACES = (*TABLES, BOUNDS, RECORDS)
PAGE = "# Results\n" + "".join(f"\n<!-- rows {place} -->\n<!-- end rows -->\n" for place in PLACES)
RECORD: dict[str, Any] = {
    "recipe": "town-qlora-cpu",
    "command": "lab run town-qlora-cpu training.epochs=1",
    "commit": "0123456789ab",
    "machine": "Xeon, 8 cores, 12 GiB, Tesla T4 (CUDA 12.4)",
    "versions": {"lab_lib": "0.1.0"},
    "task": "response",
    "corpus": "town",
    "reported": {"split": "test"},
    "config": {
        "model": {"name": "lab-tiny", "revision": None},
        "training": {"seed": 0},
        "decoding": {"seed": 0},
    },
    "training": {"total": 5573888, "choices": {"dtype": ["fp16", "a T4"]}},
    "stage_seconds": {"train": 60.0, "finetuned": 30.0},
    "peak_memory_gb": 2.5,
}


def a_run(folder: Path) -> Path:
    """A finished run whose replies are random ones: real predictions, scored like any other."""
    town = load_corpus("town")
    rows = [
        {"dialogue": key, "turn": turn, "response": said["response"], "prompt_tokens": 9}
        for key, turns in random_replies(town.splits["test"], town.splits["train"], 1).items()
        for turn, said in enumerate(turns)
    ]
    (folder / "predictions").mkdir(parents=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "predictions" / "finetuned.jsonl").write_text(text, encoding="utf-8")
    recorded(folder)
    return folder


def recorded(folder: Path, **changes: Any) -> Path:
    """Write the record of a run, as `lab evaluate` would now; `changes` are other than usual."""
    hashes = {path.stem: sha256(path) for path in sorted((folder / "predictions").glob("*.jsonl"))}
    names = {"base": "base model", "finetuned": "fine-tuned"}
    rows = {"gold replies": {"kind": "oracle"}, **{names[system]: {"kind": system} for system in hashes}}
    return write_json(folder / "record.json", RECORD | {"predictions_sha256": hashes, "rows": rows} | changes)


def checkout(top: Path) -> Path:
    """Write a checkout with one scored row, one speed, and the tables made of them; return its results/."""
    root = top / "results"
    root.mkdir()
    for page in (root / "README.md", top / "README.md"):
        page.write_text(PAGE, encoding="utf-8")
    submit_run(a_run(top / "run"), "training", "ann", root, "finetuned", "random replies", "a test row")
    speed = {"recipe": "town-qlora-cpu", "train_its": 2.5, "infer_its": None, "training": None}
    speed |= {key: RECORD[key] for key in ("command", "commit", "machine", "versions")}
    submit_speed(write_json(top / "speed.json", speed), "bob", root, None)
    write(root)
    return root


def only(root: Path, table: str = "training") -> Path:
    (path,) = (root / table).glob("*.json")
    return path


def edit(**changes: Any) -> Spoil:
    """Change fields of the row, under a name that fits its content, as somebody who cheats with care would."""

    def change(root: Path) -> None:
        path = only(root)
        row = read_json(path)
        for name, value in changes.items():
            part, _, inner = name.partition("__")
            if inner:
                row[part][inner] = value
            else:
                row[part] = value
        write_json(path.parent / f"{row_name(row)}.json", row)
        packed_path(path).rename(packed_path(path.parent / f"{row_name(row)}.json"))
        if path.name != f"{row_name(row)}.json":
            path.unlink()

    return change


def in_place(**changes: Any) -> Spoil:
    """Change fields and keep the file's name."""
    return lambda root: write_json(only(root), read_json(only(root)) | changes)


def replace_row(text: str) -> Spoil:
    return lambda root: only(root).write_text(text, encoding="utf-8")


def in_text(old: str, new: str) -> Spoil:
    """Change the text of the row where no JSON library would write it so."""

    def change(root: Path) -> None:
        text = only(root).read_text(encoding="utf-8")
        assert old in text
        only(root).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def add(name: str, data: bytes) -> Spoil:
    return lambda root: (root / "training" / name).write_bytes(data)


def pack(change: Callable[[list[str]], Sequence[str]]) -> Spoil:
    """Change the predictions' text and keep row, hash and name in line with it."""

    def changed(root: Path) -> None:
        path = only(root)
        lines = gzip.decompress(packed_path(path).read_bytes()).decode().splitlines()
        repack(path, ("\n".join(change(lines)) + "\n").encode())

    return changed


def repack(path: Path, text: bytes, packed: bytes | None = None) -> None:
    """Put other predictions beside a row, with hash and name in line."""
    row = read_json(path)
    packed = gzip.compress(text, mtime=0) if packed is None else packed
    row["predictions_sha256"] = hashlib.sha256(packed).hexdigest()
    target = path.parent / f"{row_name(row)}.json"
    packed_path(path).unlink()
    path.unlink()
    packed_path(target).write_bytes(packed)
    write_json(target, row)
