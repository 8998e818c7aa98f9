"""`lab results check`: does every row keep the rules, and do its predictions give its numbers?"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, nearest
from lab_lib.runs.config import recipe_names
from lab_lib.submissions import scoring
from lab_lib.submissions.safe import read_packed, read_row
from lab_lib.submissions.submit import packed_path, row_name
from lab_lib.submissions.tasks import CORPORA, TASKS

FIRST_DAY = datetime.date(2023, 7, 1)  # the lab on which this course stands
POINTS = 0.05  # scores are kept with two decimals; more than this is another number
INTERVAL_POINTS = 0.3  # bootstrap bounds may move a little with the version of numpy
NAME = re.compile(r"[a-z0-9-]+-20\d\d-\d\d-\d\d-[0-9a-f]{8}\.(?:json|predictions\.jsonl\.gz)")


@dataclass
class Verdict:
    """What was found: faults, each one line, which refuse; remarks, which do not; and the rows that are right."""

    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    rows: dict[Path, dict[str, Any]] = field(default_factory=dict)


def check_all(root: Path, only: set[Path] | None = None) -> Verdict:
    """Check every row under `root` (results/), or score again only those of `only`; all are read and compared.

    Never writes, never runs anything of a row. Corpora that are not at hand are a fault of the rows that need them.
    """
    verdict = Verdict(faults=_unknown_folders(root))
    used: set[Path] = set()
    for task in TASKS:
        if (root / task).is_symlink():
            verdict.faults.append(f"{root / task}: a link, expected a folder")
            continue
        for path in sorted((root / task).glob("*")):
            if path.is_symlink() or not path.is_file() or not NAME.fullmatch(path.name):
                verdict.faults.append(f"{path}: only rows (WHO-DATE-HASH.json) and their predictions belong here")
            elif path.suffix == ".json":
                used |= {path, packed_path(path)}
                _check_row(path, verdict, only is None or path in only or packed_path(path) in only)
    packed = {path for task in TASKS for path in (root / task).glob("*.gz")}
    verdict.faults += [f"{path}: predictions without a row" for path in sorted(packed - used)]
    verdict.faults += _twice(verdict.rows)
    return verdict


def _unknown_folders(root: Path) -> list[str]:
    """Return a fault for every folder that is neither a task nor a recorded run."""
    known = {*TASKS, *recipe_names(), "figures", "lab-tiny"}
    folders = sorted(path for path in root.iterdir() if path.is_dir() and path.name not in known)
    return [f"{folder}: no such task{nearest(folder.name, TASKS)}" for folder in folders]


def _check_row(path: Path, verdict: Verdict, rescore: bool) -> None:
    try:
        row = read_row(path)
        check_form(path, row)
        if rescore and TASKS[row["task"]].scored:
            verdict.remarks += check_scores(path, row)
        verdict.rows[path] = row
    except LabError as error:
        verdict.faults.append(str(error))


def check_form(path: Path, row: Mapping[str, Any]) -> None:
    """Raise LabError unless a row fits the schema, its place and name, and what is possible."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(schema()).iter_errors(row))
    if error is not None:
        where = ".".join(map(str, error.absolute_path)) or "the row"
        raise LabError(f"{path}: {where}: {error.message[:160]}")
    if row["task"] != path.parent.name:
        raise LabError(f"{path}: task {row['task']!r} belongs into {row['task']}/")
    if path.name != f"{row_name(row)}.json":
        raise LabError(f"{path}: a row with this content is called {row_name(row)}.json")
    _check_date(path, row["date"])
    if TASKS[row["task"]].scored:
        _check_possible(path, row)


@functools.cache
def schema() -> dict[str, Any]:
    """Return the published JSON schema of a row."""
    found: dict[str, Any] = json.loads(files(__package__).joinpath("schema.json").read_text(encoding="utf-8"))
    return found


def _check_date(path: Path, text: str) -> None:
    try:
        date = datetime.date.fromisoformat(text)
    except ValueError:
        raise LabError(f"{path}: date {text!r} does not exist") from None
    # A day later is still today somewhere on Earth.
    if not FIRST_DAY <= date <= datetime.date.today() + datetime.timedelta(days=1):
        raise LabError(f"{path}: date {text} is in the future, or before the first lab")


def _check_possible(path: Path, row: Mapping[str, Any]) -> None:
    """Raise LabError for numbers that contradict one another."""
    scores = row["metrics"]
    combined = (scores["inform"] + scores["success"]) / 2 + scores["bleu"]
    if abs(combined - scores["combined"]) > POINTS:
        raise LabError(f"{path}: combined is {scores['combined']}; (Inform + Success) / 2 + BLEU is {combined:.2f}")
    for name, (low, high) in row["intervals"].items():
        if not low - POINTS <= scores[name] <= high + POINTS:
            raise LabError(f"{path}: {name} {scores[name]} is outside its own interval {low}–{high}")


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
    _check_whole(packed, predictions, corpus)
    found = scoring.figures(scoring.score(predictions, corpus))
    _compare(path, row, found)
    gold = scoring.fixed_rows(corpus)["gold replies"]["metrics"]
    above = [name for name in ("bleu", "inform", "success") if found["metrics"][name] > gold[name]]
    return [f"{path}: {name} {found['metrics'][name]} is above the gold replies' {gold[name]}" for name in above]


def _check_whole(path: Path, predictions: Mapping[str, Any], corpus: str) -> None:
    """Raise LabError unless all test dialogues are answered, every turn: parts of a test set cannot be compared."""
    wanted = {dialogue.key: len(dialogue.system_turns) for dialogue in scoring.corpus(corpus).splits["test"]}
    if unknown := sorted(set(predictions) - set(wanted)):
        raise LabError(f"{path}: dialogue {unknown[0][:40]!r} is not in the test split ({len(unknown)} such)")
    for key, turns in wanted.items():
        if len(predictions.get(key, [])) != turns:
            raise LabError(f"{path}: dialogue {key}: {len(predictions.get(key, []))} of {turns} replies")


def _compare(path: Path, row: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for name in ("dialogues", "turns", "states"):
        if row[name] != found[name]:
            raise LabError(f"{path}: {name} is {row[name]}, its predictions have {found[name]}")
    for name, value in found["metrics"].items():
        if abs(row["metrics"][name] - value) > POINTS:
            raise LabError(f"{path}: {name} is {row['metrics'][name]}, its predictions give {value}")
    for name, bounds in found["intervals"].items():
        stated = row["intervals"].get(name, (-1, -1))
        if any(abs(ours - theirs) > INTERVAL_POINTS for ours, theirs in zip(stated, bounds, strict=True)):
            raise LabError(f"{path}: the interval of {name} is {stated}, its predictions give {bounds}")
    for name, value in found["richness"].items():
        if abs(row.get("richness", {}).get(name, value) - value) > max(POINTS, 1e-3 * value):
            raise LabError(f"{path}: {name} is {row['richness'][name]}, its predictions give {value}")


def _twice(rows: Mapping[Path, Mapping[str, Any]]) -> list[str]:
    """Return a fault for predictions that are submitted twice to one table."""
    known: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path, row in rows.items():
        if "predictions_sha256" in row:
            known[row["task"], row["predictions_sha256"]].append(path)
    return [f"{paths[1]}: the same predictions as {paths[0].name}" for paths in known.values() if len(paths) > 1]
