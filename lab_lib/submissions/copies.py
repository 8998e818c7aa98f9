"""Detect copies: of the oracle, or of another row of the same lab task and corpus, in any table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.errors import LabError
from lab_lib.submissions.benchmark import Benchmark, benchmark_of
from lab_lib.submissions.likeness import (
    ANOTHERS,
    CLOSE,
    COPIED,
    ONE_FOR_ALL,
    OWN,
    SUSPICIOUS,
    WHOLE,
    Said,
    common_mistakes,
    in_common,
    likeness,
    of_one_answer,
)
from lab_lib.submissions.tables import lab_task


@dataclass(frozen=True)
class Answers:
    """A row with its answers: `said` word by word, `text` as one hash."""

    row: Mapping[str, Any]
    said: Said
    text: str

    @property
    def scored_on(self) -> tuple[str, str]:
        """The lab task and corpus; only rows with the same ones are compared."""
        return lab_task(self.row), self.row["corpus"]


@dataclass
class Copies:
    """Faults and remarks, each one line."""

    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def of_oracle(path: Path, said: Said, benchmark: Benchmark) -> list[str]:
    """Return remarks on a row whose answers are similar to the oracle's or all the same.

    Raises LabError if nearly all free-text answers equal the oracle's. If only one wording is right (a call, a label),
    a good system gives the oracle's answers; there is a remark only if all of them are right.
    """
    task, oracle = benchmark.task, benchmark.oracle_said
    name, answers = benchmark.oracle.name, task.words.answers
    equal = float((said.texts == oracle.texts).mean()) if said.places == oracle.places else 0.0
    if not task.free_text:
        return [f"{path}: 100% of the {answers} are the {name}, word for word"] if equal == 1.0 else []
    share = max(equal, likeness(said, oracle))
    how = "word for word" if share == equal else "except for some words"
    same = f"{share:.0%} of the {answers} are the {name}, {how}"
    if share > COPIED:
        raise LabError(f"{path}: {same}: these are the {name}, which every table has")
    remarks = [f"{path}: {same}"] if share > SUSPICIOUS else []
    if not remarks and (most := likeness(said, oracle, whole=True)) > WHOLE:
        remarks = [f"{path}: {most:.0%} of the {answers} have nearly all words of the {name} and no others"]
    if (most := of_one_answer(said)) > ONE_FOR_ALL:
        remarks.append(f"{path}: {most:.0%} of the {answers} are one and the same")
    return remarks


def compare_rows(rows: Mapping[Path, Answers], new: Collection[Path]) -> Copies:
    """Compare every two rows of which at least one is in `new`."""
    found = Copies()
    for first, second in combinations(rows, 2):
        if first in new or second in new:
            copy, other = (first, second) if second not in new else (second, first)
            _compare(copy, rows[copy], other, rows[other], found)
    return found


def compare_merged(
    rows: Mapping[Path, Answers], new: Collection[Path], merged: Iterable[tuple[Path, Answers]]
) -> Copies:
    """Compare the rows in `new` with rows that were `merged` meanwhile, and that are not among `rows`."""
    found = Copies()
    for other, answers in merged:
        for path in sorted(set(new) & set(rows)):
            _compare(path, rows[path], other, answers, found)
    return found


def _compare(path: Path, row: Answers, other: Path, merged: Answers, found: Copies) -> None:
    """Add findings on the likeness of two rows: nearly identical is a fault, similar is a remark."""
    if row.scored_on != merged.scored_on:
        return
    benchmark, where = benchmark_of(row.row), _where(other, path)
    one, another = in_common(row.said, merged.said)
    same = row.text == merged.text or (len(one.places) > 0 and np.array_equal(one.texts, another.texts))
    mine = row.row["who"] == merged.row["who"]
    own_states = mine and row.row.get("states") != merged.row.get("states")
    if same and not own_states:
        found.faults += [] if _all_right(row, benchmark) else [f"{path}: the same predictions as {where}"]
        return
    share = 1.0 if same else _share(one, another, benchmark)
    answers = benchmark.task.words.answers
    kind = answers if benchmark.task.free_text else f"mistakes among the {answers}"
    line = f"{path}: {share:.0%} of the {kind} are those of {where}, or nearly"
    # A row may be similar to another row of the same person: another decoding strategy may change little, and predicted
    # instead of gold states may not change the replies.
    own_table = mine and row.row["task"] == merged.row["task"]
    if share > (1.0 if own_states else OWN if own_table else ANOTHERS):
        found.faults.append(f"{line}: a row must be new")
    elif share > CLOSE:
        found.remarks.append(line)


def _share(one: Said, other: Said, benchmark: Benchmark) -> float:
    if benchmark.task.free_text:
        return likeness(one, other)
    return common_mistakes(*in_common(one, other, benchmark.oracle_said))


def _all_right(row: Answers, benchmark: Benchmark) -> bool:
    """Return whether a row has all right answers of a task with one correct wording; this is not a copy."""
    return not benchmark.task.free_text and bool((row.said.texts == benchmark.oracle_said.texts).all())


def _where(other: Path, path: Path) -> str:
    """Return the name of a row for messages about another row, with its table if that differs."""
    return other.name if other.parent.name == path.parent.name else f"{other.parent.name}/{other.name}"
