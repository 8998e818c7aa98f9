"""Near copies across splits: held-out rows that differ from training rows only in their values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lab_lib.calls.call import Call
from lab_lib.calls.examples.skeleton import NEAR, RUN, Skeleton, nearest_skeletons, skeleton
from lab_lib.calls.examples.types import Finding, Row
from lab_lib.errors import shown

MOST = 0.05  # of the held-out rows may be near copies


def near_copies(training: Sequence[Row], held_out: Sequence[Row]) -> tuple[list[Finding], list[str]]:
    """Return (the near copies, if they are too large a share of the held-out rows; the counts).

    Rows are compared within a skill; a wording shared with another skill makes a test harder, not easier.
    """
    if not training or not held_out:
        return [], []
    shares = _shares(training, held_out)
    near = [(row, other) for row, share, other in shares if other and share >= NEAR]
    count, some = len(near), sum(share > 0 for _, share, _ in shares)
    note = f"{_part(count, len(shares))} of the held-out rows are near copies of a training row (at least {NEAR:.0%} of"
    note += f" their runs of {RUN} words, values masked, are common); {_part(some, len(shares))} share one such run"
    if count <= MOST * len(shares):
        return [], [note]
    text = "a near copy of {}, line {}: {}"
    findings = [Finding(row.path, row.example.line, text.format(other.path, other.example.line,
                shown(other.example.utterance))) for row, other in near]  # fmt: skip
    return findings, [note]


def _shares(training: Sequence[Row], held_out: Sequence[Row]) -> list[tuple[Row, float, Row | None]]:
    """Return (row, its share of the nearest training row, that row) for each held-out row whose call can be read."""
    known: dict[str, list[tuple[Skeleton, Row]]] = defaultdict(list)
    asked: dict[str, list[tuple[Skeleton, Row]]] = defaultdict(list)
    for rows, by_skill in ((training, known), (held_out, asked)):
        for row in rows:
            if isinstance(row.call, Call):
                by_skill[row.call.name].append((skeleton(row.example.utterance, row.call), row))
    found: list[tuple[Row, float, Row | None]] = []
    for name, entries in asked.items():
        others = [row for _, row in known[name]]
        nearest = nearest_skeletons([one for one, _ in entries], [one for one, _ in known[name]])
        found += [(row, share, others[place] if place >= 0 else None)
                  for (_, row), (share, place) in zip(entries, nearest, strict=True)]  # fmt: skip
    return found


def _part(count: int, total: int) -> str:
    return f"{count} ({100 * count / total:.1f} %)"
