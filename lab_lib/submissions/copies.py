"""Which rows are copies: of the oracle, or of another row of the same lab task and corpus, in whichever table."""

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
    """A row with what its answers say: `said` word by word, `text` as one hash."""

    row: Mapping[str, Any]
    said: Said
    text: str

    @property
    def scored_on(self) -> tuple[str, str]:
        """The lab task and corpus: rows of others cannot be compared."""
        return lab_task(self.row), self.row["corpus"]


@dataclass
class Copies:
    """Faults and remarks, each one line."""

    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def of_oracle(path: Path, said: Said, benchmark: Benchmark) -> list[str]:
    """Return remarks on a row whose answers are like the oracle's, or one answer for everything.

    Raises LabError where nearly all of a free text are the oracle's. Where an answer is right in one wording alone (a
    call, a label), a good system gives the oracle's answers; only all of them, without a mistake, are remarked on.
    """
    task, oracle = benchmark.task, benchmark.oracle_said
    name, answers = benchmark.oracle.name, task.words.answers
    equal = float((said.texts == oracle.texts).mean()) if said.places == oracle.places else 0.0
    if not task.free_text:
        return [f"{path}: 100% of the {answers} are the {name}, word for word"] if equal == 1.0 else []
    share = max(equal, likeness(said, oracle))
    how = "word for word" if share == equal else "but for some words"
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
    """Add what the likeness of two rows says: as good as the same is a fault, close to it a remark."""
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
    # What somebody submits may be close to an own row: in one table another decoding strategy changes little, and with
    # own instead of gold states the replies may stay.
    own_table = mine and row.row["task"] == merged.row["task"]
    if share > (1.0 if own_states else OWN if own_table else ANOTHERS):
        found.faults.append(f"{line}: a row is for what nobody has submitted")
    elif share > CLOSE:
        found.remarks.append(line)


def _share(one: Said, other: Said, benchmark: Benchmark) -> float:
    if benchmark.task.free_text:
        return likeness(one, other)
    return common_mistakes(*in_common(one, other, benchmark.oracle_said))


def _all_right(row: Answers, benchmark: Benchmark) -> bool:
    """Return whether a row has every right answer of a task whose answers are right in one wording: no copy then."""
    return not benchmark.task.free_text and bool((row.said.texts == benchmark.oracle_said.texts).all())


def _where(other: Path, path: Path) -> str:
    """Return how a row is named to the reader of another one: with its table where that is another."""
    return other.name if other.parent.name == path.parent.name else f"{other.parent.name}/{other.name}"
