"""The parts of a corpus that the response scorer cannot use: spans without a known placeholder, unreachable goals.

The numbers are those of the published scorer; without these notes such a corpus would only seem difficult.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from lab_lib.corpora.database import FUZZY, Database
from lab_lib.corpora.delex import applied_spans
from lab_lib.corpora.types import DomainGoal, Turn
from lab_lib.evaluation.normalise import PLACEHOLDERS, normalise_reply
from lab_lib.evaluation.noting import closest, counted

SHARE = 20  # unreachable goals are noted from this share (one in ...); in MultiWOZ 2.2 it is one in 160 of a domain
Goals = Sequence[Mapping[str, DomainGoal]]


def span_notes(turns: Iterable[Turn]) -> list[str]:
    """Return a note on spans of references whose slot no table of placeholders knows."""
    slots = Counter(span.slot for turn in turns for span in applied_spans(turn))
    odd = Counter({slot: count for slot, count in slots.items() if not normalise_reply(f"[{slot}]")[0].isupper()})
    if not odd:
        return []
    named = counted(odd, {slot: closest(slot, PLACEHOLDERS) for slot in odd})
    return [f"spans of the references that are no placeholder to the scorer: {sum(odd.values())}: {named}"]


def reach_notes(goals: Goals, booked: Mapping[str, Sequence[Sequence[str]]], database: Database) -> list[str]:
    """Return notes on unreachable goals, by the missing part of the corpus: tables, columns, rows, bookings."""
    wanted = [(domain, part) for goal in goals for domain, part in goal.items() if domain in FUZZY]
    columns = {domain: database.columns(domain) for domain in FUZZY}
    bare = Counter(domain for domain, _ in wanted if not columns[domain])
    slots = Counter(
        f"{domain}/{slot}"
        for domain, part in wanted
        for slot in part.informable
        if columns[domain] and slot not in columns[domain]
    )
    near = {name: closest(name.partition("/")[2], columns[name.partition("/")[0]]) for name in slots}
    empty = Counter(d for d, part in wanted if columns[d] and not database.mask(d, part.informable))
    asked = Counter(domain for domain, _ in wanted)
    empty = Counter({domain: count for domain, count in empty.items() if SHARE * count > asked[domain]})
    lacking = sum("REFERENCE" in part.requestable for goal in goals for part in goal.values())
    unbooked = lacking and not any(domains for turns in booked.values() for domains in turns)
    found = {
        f"goals of domains without a table in the database: {_by(bare)}; Inform finds nothing there": bare,
        f"constraints of goals that are no column: {sum(slots.values())}: {counted(slots, near)}": slots,
        f"goals that no row of the database meets: {_by(empty)}; Inform is out of their reach": empty,
        f"goals with a booking: {lacking}, but no turn has one with a 'reference'; Success needs it": unbooked,
    }
    return [note for note, count in found.items() if count]


def _by(counts: Counter[str]) -> str:
    return f"{sum(counts.values())}: {counted(counts)}"
