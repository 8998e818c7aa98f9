"""The rows every table has: gold, random and most frequent replies. Part of the program, so that no submission can
change what it is compared with. After a change of the scorer: python -m lab_lib.submissions.references
"""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from lab_lib.files import write_json
from lab_lib.submissions import scoring
from lab_lib.submissions.tasks import CORPORA

ROWS = ("gold replies", "random reply", "most frequent reply")
FILE = "reference.json"


@functools.cache
def references(corpus: str) -> dict[str, Any]:
    """Return {row: figures} of a corpus, as they were scored once."""
    stored = json.loads(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))
    found: dict[str, Any] = stored[corpus]["rows"]
    return found


def score_again() -> Path:
    """Score the rows of all corpora, write them beside this module, return the file. Raises LabError without data."""
    found = {
        corpus: {"references_sha256": scoring.references_hash(corpus), "rows": scoring.fixed_rows(corpus)}
        for corpus in sorted(CORPORA)
    }
    return write_json(Path(__file__).with_name(FILE), found)


if __name__ == "__main__":
    print(score_again())
