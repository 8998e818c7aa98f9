"""`lab results check`: does every row keep the rules, and do its predictions give its numbers?"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, nearest
from lab_lib.runs.config import recipe_names
from lab_lib.submissions import scoring
from lab_lib.submissions.form import POINTS, packed_path, read_checked
from lab_lib.submissions.references import references
from lab_lib.submissions.safe import read_packed
from lab_lib.submissions.tasks import CORPORA, TASKS

INTERVAL_POINTS = 0.3  # bootstrap bounds may move a little with the version of numpy
NAME = re.compile(r"[a-z0-9-]+-20\d\d-\d\d-\d\d-[0-9a-f]{8}\.(?:json|predictions\.jsonl\.gz)", re.ASCII)
OF_NO_RECIPE = ("lab-tiny", "structure-multiwoz22")  # recorded runs of other commands
RECORDS = {".json", ".md", ".png", ".svg"}  # what is kept of a recipe's run


@dataclass
class Verdict:
    """What was found: faults, each one line, which refuse; remarks, which do not; and the rows that are right.

    `texts` is {row: a hash of its predictions, unpacked}.
    """

    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    rows: dict[Path, dict[str, Any]] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)


def check_all(root: Path, only: set[Path] | None = None) -> Verdict:
    """Check every row under `root` (results/), or score again only those of `only`; all are read and compared.

    Never writes, never runs anything of a row. Corpora that are not at hand are a fault of the rows that need them.
    """
    verdict = Verdict(faults=list(_strangers(root)))
    used: set[Path] = set()
    for task in TASKS:
        if (root / task).is_symlink():
            continue
        for path in sorted((root / task).glob("*")):
            if path.is_symlink() or not path.is_file() or not NAME.fullmatch(path.name):
                verdict.faults.append(f"{path}: only rows (WHO-DATE-HASH.json) and their predictions belong here")
            elif path.suffix == ".json":
                used |= {packed_path(path)} if TASKS[task].scored else set()
                _check_row(path, verdict, only is None or path in only or packed_path(path) in only)
    packed = {path for task in TASKS for path in (root / task).glob("*.gz")}
    verdict.faults += [f"{path}: predictions without a row that needs them" for path in sorted(packed - used)]
    verdict.faults += _twice(verdict)
    return verdict


def _strangers(root: Path) -> Iterator[str]:
    """Yield a fault for everything beside the rows that does not belong under results/.

    A .gitattributes could hide rows from a review; names that differ in case alone are one file on some machines.
    """
    kinds = {"figures": {".svg"}, **dict.fromkeys((*recipe_names(), *OF_NO_RECIPE), RECORDS)}
    for path in sorted(root.iterdir()):
        if path.is_symlink():
            yield f"{path}: a link, expected a folder"
        elif path.is_file():
            yield from [] if path.name == "README.md" else [f"{path}: does not belong here"]
        elif path.name in kinds:
            yield from _odd_files(path, kinds[path.name])
        elif path.name not in TASKS:
            yield f"{path}: no such task{nearest(path.name, TASKS)}"


def _odd_files(folder: Path, endings: set[str]) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file() or path.suffix not in endings:
            yield f"{path}: does not belong here: expected plain files, {', '.join(sorted(endings))}"


def _check_row(path: Path, verdict: Verdict, rescore: bool) -> None:
    try:
        row = read_checked(path)
        if TASKS[row["task"]].scored:
            verdict.texts[path] = hashlib.sha256(read_packed(packed_path(path))).hexdigest()
            verdict.remarks += check_scores(path, row) if rescore else []
        verdict.rows[path] = row
    except LabError as error:
        verdict.faults.append(str(error))


def check_scores(path: Path, row: Mapping[str, Any]) -> list[str]:
    """Score a row's predictions again; raise LabError when they give other numbers. Returns remarks.

    A remark says that a score is above the gold replies': possible, and worth a look for a leak or a trick.
    """
    packed = packed_path(path)
    text = read_packed(packed)
    if hashlib.sha256(packed.read_bytes()).hexdigest() != row["predictions_sha256"]:
        raise LabError(f"{packed}: not the predictions that the row names (another SHA-256)")
    corpus = row["corpus"]
    if row["references_sha256"] != scoring.references_hash(corpus):
        raise LabError(f"{path}: scored against other references than those of {CORPORA[corpus]} here")
    predictions = scoring.from_lines(text, packed)
    scoring.check_whole(packed, predictions, corpus)
    found = scoring.figures(scoring.score(predictions, corpus))
    _compare(path, row, found)
    gold = references(corpus)["gold replies"]["metrics"]
    above = [name for name in ("bleu", "inform", "success") if found["metrics"][name] > gold[name]]
    return [f"{path}: {name} {found['metrics'][name]} is above the gold replies' {gold[name]}" for name in above]


def _compare(path: Path, row: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for name in ("dialogues", "turns", "states"):
        if row[name] != found[name]:
            raise LabError(f"{path}: {name} is {row[name]}, its predictions have {found[name]}")
    for name, value in found["metrics"].items():
        if abs(row["metrics"][name] - value) > POINTS:
            raise LabError(f"{path}: {name} is {row['metrics'][name]}, its predictions give {value}")
    for name, bounds in found["intervals"].items():
        stated = row["intervals"].get(name, (-1, -1))
        if any(abs(one - other) > INTERVAL_POINTS for one, other in zip(stated, bounds, strict=True)):
            raise LabError(f"{path}: the interval of {name} is {stated}, its predictions give {bounds}")
    richness = row.get("richness", {})
    if unknown := sorted(set(richness) - set(found["richness"])):
        raise LabError(f"{path}: richness has {unknown[0][:40]!r}, which nobody can check")
    for name, value in richness.items():
        ours = found["richness"][name]
        if abs(value - ours) > max(POINTS, 1e-3 * ours):
            raise LabError(f"{path}: {name} is {value}, its predictions give {ours}")


def _twice(verdict: Verdict) -> list[str]:
    """Return a fault for predictions that are submitted twice to one table, also where they were packed anew."""
    known: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in verdict.rows:
        if path in verdict.texts:
            known[path.parent.name, verdict.texts[path]].append(path)
    return [f"{paths[1]}: the same predictions as {paths[0].name}" for paths in known.values() if len(paths) > 1]


def of_others(verdict: Verdict, new: Collection[Path], author: str) -> list[str]:
    """Return a remark for every new row under another name than that of who submits it."""
    found = {path: row["who"] for path, row in verdict.rows.items() if path in new and row["who"] != author.lower()}
    return [f"{path}: by {who}, submitted by {author}" for path, who in found.items()]
