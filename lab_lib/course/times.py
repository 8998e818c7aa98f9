"""Minutes of a lab, estimated from the log of a reader who had not written it: words, lines, attempts.

The reader was a language model. No time was measured and no class was asked: minutes are computed from the log with
the rates of `Rates`, plus the run time of the cells. docs/teaching.md says how the log was made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from lab_lib.course.points import FILE, optional
from lab_lib.files import read_json

LOG = FILE.with_name("reading.json")
ROUND = 5  # minutes: nobody plans a lesson more finely


@dataclass(frozen=True)
class Rates:
    """How much a student does per minute. A slower class has smaller rates and needs more time."""

    words: float  # of technical text, read in a second language; words of a passage that was read twice count twice
    given: float  # lines of the cells that are given
    lines: float  # lines that are written
    attempt: float  # minutes of one attempt: run the check, read its message
    point: float  # minutes of one point of a question, thinking and writing


@dataclass(frozen=True)
class Minutes:
    """Minutes of a lab: with the core exercises, with all of them, and with the questions too (without projects)."""

    core: int
    exercises: int
    all: int


def minutes(lab: str) -> Minutes:
    """Return the minutes of a lab (`04`), each rounded to five."""
    log, rates = read_log()["labs"][lab], Rates(**read_log()["rates"])
    solved = log["exercises"]
    texts = sum(one["words"] for one in solved.values())
    around = (log["words"] - texts) / rates.words + log["given"] / rates.given + log["seconds"] / 60
    core = around + _work((one for name, one in solved.items() if name not in optional()), rates)
    every = around + _work(solved.values(), rates)
    questions = rates.point * (log["points"]["this notebook"] + log["points"]["a recorded run"])
    return Minutes(*(ROUND * round(found / ROUND) for found in (core, every, every + questions)))


def _work(solved: Iterable[dict[str, Any]], rates: Rates) -> float:
    """Return the minutes of some exercises: read, write, check."""
    found = 0.0
    for one in solved:
        read = one["words"] * (2 if one["twice"] else 1)
        found += read / rates.words + one["lines"] / rates.lines + one["attempts"] * rates.attempt
    return found


@cache
def read_log() -> dict[str, Any]:
    """Return the stored log: the rates, and for each lab the words read, lines written and attempts."""
    found: dict[str, Any] = read_json(LOG)
    return found
