"""`lab results check`: check that every row follows the rules and that its predictions give its numbers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError, nearest
from lab_lib.runs.config import recipe_names
from lab_lib.submissions.benchmark import Benchmark, benchmark_of, digits_of
from lab_lib.submissions.copies import Answers, Copies, compare_merged, compare_rows, of_oracle
from lab_lib.submissions.form import packed_path, read_checked
from lab_lib.submissions.likeness import read_said
from lab_lib.submissions.lines import Predictions, from_lines, said
from lab_lib.submissions.references import oracle, references
from lab_lib.submissions.safe import check_drawing, read_packed, unpack
from lab_lib.submissions.tables import TABLES, lab_task

RICHNESS_POINTS = 0.0005  # half of a rounding step of descriptive metrics, see `_compare`
# Bootstrap bounds may differ between versions of numpy: by a tenth of the interval's width, at most 0.3.
INTERVAL_SHARE, INTERVAL_POINTS = 0.1, 0.3
NAME = re.compile(r"[a-z0-9-]+-20\d\d-\d\d-\d\d-[0-9a-f]{8}\.(?:json|predictions\.jsonl\.gz)", re.ASCII)
# Recorded runs of other commands.
OF_NO_RECIPE = (
    *("lab-tiny", "lab-tiny-t5", "structure-multiwoz22", "judge-dailydialog"),
    *("rows-sgd", "embedder-sgd", "find-k-sgd", "variants-sgd", "states-sgd"),
)
RECORDS = {".json", ".md", ".png", ".svg"}  # stored files of a recipe's run


@dataclass
class Findings:
    """The findings: faults (one line each), which refuse a row; remarks, which do not; and the valid rows.

    `answers` is {row: the words of its answers}.
    """

    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    rows: dict[Path, dict[str, Any]] = field(default_factory=dict)
    answers: dict[Path, Answers] = field(default_factory=dict)


def check_all(root: Path, only: set[Path] | None = None) -> Findings:
    """Check every row under `root` (results/); with `only` score only these again, but read and compare all.

    Writes nothing and executes nothing from a row. A missing corpus is a fault of the rows that need it.
    """
    findings = Findings(faults=list(_strangers(root)))
    used: set[Path] = set()
    for table in TABLES:
        if (root / table).is_symlink():
            continue
        for path in sorted((root / table).glob("*")):
            if path.is_symlink() or not path.is_file() or not NAME.fullmatch(path.name):
                findings.faults.append(f"{path}: only rows (WHO-DATE-HASH.json) and their predictions belong here")
            elif path.suffix == ".json":
                used |= {packed_path(path)} if TABLES[table].scored else set()
                _check_row(path, findings, only is None or path in only or packed_path(path) in only)
    packed = {path for table in TABLES for path in (root / table).glob("*.gz")}
    findings.faults += [f"{path}: predictions without a row" for path in sorted(packed - used)]
    copies = compare_rows(findings.answers, set(findings.answers) if only is None else only)
    findings.faults += copies.faults
    findings.remarks += copies.remarks
    return findings


def _strangers(root: Path) -> Iterator[str]:
    """Yield a fault for every other file that does not belong under results/.

    A .gitattributes could hide rows from a review; names that differ only in case are one file on some machines.
    """
    kinds = {"figures": {".svg"}, **dict.fromkeys((*recipe_names(), *OF_NO_RECIPE), RECORDS)}
    for path in sorted(root.iterdir()):
        if path.is_symlink():
            yield f"{path}: a link, expected a folder"
        elif path.is_file():
            yield from [] if path.name == "README.md" else [f"{path}: does not belong here"]
        elif path.name in kinds:
            yield from _odd_files(path, kinds[path.name])
        elif path.name not in TABLES:
            yield f"{path}: no such table{nearest(path.name, TABLES)}"


def _odd_files(folder: Path, endings: set[str]) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file() or path.suffix not in endings:
            yield f"{path}: does not belong here: expected plain files, {', '.join(sorted(endings))}"
        elif path.suffix == ".svg":
            yield from _active(path)


def _active(path: Path) -> list[str]:
    try:
        check_drawing(path)
    except LabError as error:
        return [str(error)]
    return []


def _check_row(path: Path, findings: Findings, rescore: bool) -> None:
    try:
        row = read_checked(path)
        if TABLES[row["task"]].scored:
            findings.remarks += check_scores(path, row) if rescore else []
            findings.answers[path] = _answers(row, read_packed(packed_path(path)), packed_path(path))
        findings.rows[path] = row
    except LabError as error:
        findings.faults.append(str(error))


def check_scores(path: Path, row: Mapping[str, Any]) -> list[str]:
    """Score a row's predictions again; raise LabError if they give other numbers. Returns remarks.

    A remark says that a score is better than the oracle's, or that many answers equal the oracle's: this is possible,
    but may be a leak or a trick. Free text that nearly equals the oracle's is a fault.
    """
    packed, benchmark = packed_path(path), benchmark_of(row)
    text = read_packed(packed)
    if hashlib.sha256(packed.read_bytes()).hexdigest() != row["predictions_sha256"]:
        raise LabError(f"{packed}: not the predictions of the row (different SHA-256)")
    if row["references_sha256"] != benchmark.references_hash:
        raise LabError(f"{path}: scored against different references than those of {benchmark.public.heading} here")
    predictions = from_lines(text, packed, benchmark.task.submitted)
    benchmark.check_whole(packed, predictions)
    found = benchmark.figures(benchmark.score(predictions))
    _compare(path, row, found, benchmark)
    scores = found["metrics"]
    return [
        *of_oracle(path, read_said(predictions, benchmark.task), benchmark),
        *_above(path, row, scores),
        *_odd(path, row, predictions, scores),
    ]


def _above(path: Path, row: Mapping[str, Any], metrics: Mapping[str, float]) -> list[str]:
    name, fixed = oracle(references(lab_task(row), row["corpus"]))
    known, gold = benchmark_of(row).metrics, fixed["metrics"]
    better = [key for key, value in metrics.items() if key in gold and known[key].better(value, gold[key])]
    side = {key: "above" if known[key].higher_is_better else "better than" for key in better}
    return [f"{path}: {key} {metrics[key]} is {side[key]} {gold[key]}, the score of the {name}" for key in better]


def _odd(path: Path, row: Mapping[str, Any], predictions: Predictions, scores: Mapping[str, float]) -> list[str]:
    benchmark = benchmark_of(row)
    best = oracle(references(lab_task(row), row["corpus"]))[1]["metrics"]
    found = benchmark.task.odd(predictions, scores, benchmark.oracle.predictions, best)
    return [f"{path}: {sentence}" for sentence in found]


def _compare(path: Path, row: Mapping[str, Any], found: Mapping[str, Any], benchmark: Benchmark) -> None:
    """Raise LabError if a row's numbers differ from those of its predictions.

    Both come from the same function, rounded: they are equal or at least one step apart, so half a step decides.
    """
    for name in ("dialogues", "turns", "states"):
        if row.get(name) != found.get(name):
            raise LabError(f"{path}: {name} is {row.get(name)}, its predictions have {found.get(name)}")
    for name, metric in benchmark.metrics.items():
        left_out = name not in row["metrics"] and name not in row["intervals"]
        if not (metric.group and left_out):  # a row may lack metrics outside the main table
            _compare_metric(path, name, row, found, 0.5 * 10 ** -digits_of(metric))
    _compare_richness(path, row.get("richness", {}), found.get("richness", {}))


def _compare_metric(path: Path, name: str, row: Mapping[str, Any], found: Mapping[str, Any], step: float) -> None:
    stated, ours = row["metrics"].get(name), found["metrics"].get(name)
    if (stated is None) != (ours is None) or (ours is not None and abs(stated - ours) > step):
        raise LabError(f"{path}: {name} is {stated}, its predictions give {ours}")
    pair, bounds = row["intervals"].get(name), found["intervals"].get(name)
    if pair is None and bounds is None:
        return
    room = min(INTERVAL_SHARE * (bounds[1] - bounds[0]), INTERVAL_POINTS) + 2 * step if bounds else 0.0
    if not pair or not bounds or any(abs(one - other) > room for one, other in zip(pair, bounds, strict=True)):
        raise LabError(f"{path}: the interval of {name} is {pair}, its predictions give {bounds}")


def _compare_richness(path: Path, stated: Mapping[str, float], found: Mapping[str, float]) -> None:
    if unknown := sorted(set(stated) - set(found)):
        raise LabError(f"{path}: richness has {unknown[0][:40]!r}, which cannot be checked")
    for name, value in stated.items():
        if abs(value - found[name]) > RICHNESS_POINTS:
            raise LabError(f"{path}: {name} is {value}, its predictions give {found[name]}")


def _answers(row: Mapping[str, Any], text: bytes, path: Path) -> Answers:
    """Return the words of a row's predictions. Raises the LabErrors of `from_lines`."""
    task = benchmark_of(row).task
    predictions = from_lines(text, path, task.submitted)
    return Answers(row, read_said(predictions, task), said(predictions, task))


def of_merged(
    findings: Findings, new: Collection[Path], merged: Iterable[tuple[Path, Mapping[str, Any], bytes]]
) -> Copies:
    """Return findings on the likeness of new rows to rows that were `merged` meanwhile: (path, row, packed)."""
    here = {path: answers for path, answers in findings.answers.items() if path in new}
    if not here:  # unpack nothing: a branch may be hundreds of rows behind main
        return Copies()
    others = ((path, _answers(row, unpack(packed, path), path)) for path, row, packed in merged)
    return compare_merged(here, new, others)


def of_others(findings: Findings, new: Collection[Path], author: str) -> list[str]:
    """Return a remark for every new row whose name differs from the submitter's."""
    found = {path: row["who"] for path, row in findings.rows.items() if path in new and row["who"] != author.lower()}
    return [f"{path}: by {who}, submitted by {author}" for path, who in found.items()]
