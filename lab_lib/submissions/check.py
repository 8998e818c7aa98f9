"""`lab results check`: does every row keep the rules, and do its predictions give its numbers?"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, nearest
from lab_lib.runs.config import recipe_names
from lab_lib.submissions import scoring
from lab_lib.submissions.form import packed_path, read_checked
from lab_lib.submissions.references import references
from lab_lib.submissions.safe import read_packed, unpack
from lab_lib.submissions.tasks import CORPORA, TASKS

# Both sides come from the same function, rounded: equal, or one step of 0.01 or 0.001 apart. Half a step tells.
POINTS, RICHNESS_POINTS = 0.005, 0.0005
INTERVAL_POINTS = 0.3  # bootstrap bounds may move a little with the version of numpy
# Shares of replies that are the gold ones, word for word. Rows of this repository have 0.003 to 0.09.
COPIED, SUSPICIOUS = 0.9, 0.3
NAME = re.compile(r"[a-z0-9-]+-20\d\d-\d\d-\d\d-[0-9a-f]{8}\.(?:json|predictions\.jsonl\.gz)", re.ASCII)
OF_NO_RECIPE = ("lab-tiny", "structure-multiwoz22")  # recorded runs of other commands
RECORDS = {".json", ".md", ".png", ".svg"}  # what is kept of a recipe's run


@dataclass
class Verdict:
    """What was found: faults, each one line, which refuse; remarks, which do not; and the rows that are right.

    `texts` is {row: a hash of what its replies say}.
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
            verdict.remarks += check_scores(path, row) if rescore else []
            verdict.texts[path] = said(read_packed(packed_path(path)), packed_path(path))
        verdict.rows[path] = row
    except LabError as error:
        verdict.faults.append(str(error))


def check_scores(path: Path, row: Mapping[str, Any]) -> list[str]:
    """Score a row's predictions again; raise LabError when they give other numbers. Returns remarks.

    A remark says that a score is above the gold replies', or that many replies are the gold ones: possible, and worth a
    look for a leak or a trick. Replies that are nearly all gold are no system's, and a fault.
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
    scores = scoring.score(predictions, corpus)
    found = scoring.figures(scores)
    _compare(path, row, found)
    return [*_gold(path, scoring.gold_share(scores.replies, corpus)), *_above(path, found["metrics"], corpus)]


def _gold(path: Path, share: float) -> list[str]:
    """Return a remark where many replies are the gold ones; raise LabError where nearly all are."""
    said = f"{share:.0%} of the replies are the gold replies, word for word"
    if share > COPIED:
        raise LabError(f"{path}: {said}: these are the gold replies, which every table has")
    return [f"{path}: {said}"] if share > SUSPICIOUS else []


def _above(path: Path, metrics: Mapping[str, float], corpus: str) -> list[str]:
    gold = references(corpus)["gold replies"]["metrics"]
    above = [name for name in ("bleu", "inform", "success") if metrics[name] > gold[name]]
    return [f"{path}: {name} {metrics[name]} is above the gold replies' {gold[name]}" for name in above]


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
        if abs(value - ours) > RICHNESS_POINTS:
            raise LabError(f"{path}: {name} is {value}, its predictions give {ours}")


def said(text: bytes, path: Path) -> str:
    """Return a hash of what predictions say: their words as the scorer reads them, dialogues in one order.

    Whoever spaces or orders a copy anew, or adds states to it, has copied. Raises LabError as `from_lines` does.
    """
    words = {
        key: [{"response": scoring.words(str(turn.get("response")))} for turn in turns]
        for key, turns in scoring.from_lines(text, path).items()
    }
    return hashlib.sha256(scoring.to_lines(words).encode("utf-8")).hexdigest()


def _twice(verdict: Verdict) -> list[str]:
    """Return a fault for predictions that are submitted twice to one table, also where they were written anew."""
    known: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in verdict.rows:
        if path in verdict.texts:
            known[path.parent.name, verdict.texts[path]].append(path)
    return [_same(paths[1], paths[0]) for paths in known.values() if len(paths) > 1]


def of_merged(verdict: Verdict, new: Collection[Path], merged: Iterable[tuple[Path, bytes]]) -> list[str]:
    """Return a fault for every new row that says what one of its table says that was `merged`: (path, packed)."""
    here = {path: (path.parent.name, text) for path, text in verdict.texts.items() if path in new}
    # Without new rows nothing is unpacked: a branch may have left main hundreds of rows ago.
    known = {(path.parent.name, said(unpack(packed, path), path)): path for path, packed in merged if here}
    return [_same(path, known[text]) for path, text in here.items() if text in known]


def _same(path: Path, other: Path) -> str:
    return f"{path}: the same predictions as {other.name}"


def of_others(verdict: Verdict, new: Collection[Path], author: str) -> list[str]:
    """Return a remark for every new row under another name than that of who submits it."""
    found = {path: row["who"] for path, row in verdict.rows.items() if path in new and row["who"] != author.lower()}
    return [f"{path}: by {who}, submitted by {author}" for path, who in found.items()]
