"""Notes on predicted belief states besides their scores: names outside the schema, values that count as wrong because
of their spelling, and values that count as right although they are incomplete.

The numbers are the published ones; these notes are ours.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from lab_lib.corpora.database import ANYTHING, FUZZY
from lab_lib.corpora.values import normalise_slot
from lab_lib.evaluation.noting import closest, counted
from lab_lib.evaluation.state_tracking import SAME, same_value
from lab_lib.evaluation.stray_text import stray_notes

State = Mapping[str, Mapping[str, Any]]
Schema = Mapping[str, Collection[str]]  # service -> its slots, normalised; empty: not known
# Letters and digits of values that mean no wish.
DONTCARE = frozenset(
    ("dontcare", "donotcare", "idontcare", "any", "anything", "doesntmatter", "doesnotmatter", "nopreference")
)
NOTHING = frozenset(
    ("", "none", "null", "nil", "notmentioned", "notgiven", "notspecified", "unknown", "unset", "empty", "na", "nan")
)
# Columns that the database compares exactly, where joint goal accuracy compares loosely.
EXACT = frozenset(["area", "pricerange", "stars", "type", "internet", "parking", "day"])
_MARKS = re.compile(r"[\W_]+")
LOOSE = 2  # one value is more than twice as long as the other


def schema_slots(schema: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """Return {service: its slots as states are normalised} of a published schema."""
    return {
        service["service_name"]: frozenset(normalise_slot(slot["name"].partition("-")[2]) for slot in service["slots"])
        for service in schema
    }


def state_notes(turns: Iterable[tuple[State, State]], schema: Schema) -> list[str]:
    """Return notes on turns, each (predicted state, gold state), both normalised."""
    found = list(_slots(turns))
    values = [value for *_, value, _ in found]
    notes = [*_unknown(found, schema), *_no_value(found), *_case(found), *_loose(found), *_letters(found)]
    return [*notes, *_unequal(found), *stray_notes(values, "state values")]


def idle_notes(dialogues: Iterable[Sequence[Collection[str]]]) -> list[str]:
    """Return a note on dialogues whose predicted active domains are none in every turn."""
    listed = list(dialogues)
    idle = sum(not any(turns) for turns in listed if turns)
    what = "what their replies offer and tell counts for no goal"
    return [f"dialogues without any active domain: {idle} of {len(listed)}; {what}"] if idle else []


def domain_notes(names: Iterable[str], schema: Schema) -> list[str]:
    """Return a note on predicted active domains that the schema does not have: they are about no goal."""
    odd = Counter(name for name in names if schema and name not in schema)
    if not odd:
        return []
    named = counted(odd, {name: closest(name, schema) for name in odd})
    return [f"active domains outside the schema: {sum(odd.values())}: {named}; they are the domains of no goal"]


Slot = tuple[str, str, Any, Any]  # domain, slot, predicted value, gold value (None: gold has no such slot)


def _slots(turns: Iterable[tuple[State, State]]) -> Iterator[Slot]:
    """Yield every predicted slot of every turn beside the gold value."""
    for ours, gold in turns:
        for domain, slots in ours.items():
            truth = gold.get(domain, {})
            yield from ((domain, slot, value, truth.get(slot)) for slot, value in slots.items())


def _unknown(found: Sequence[Slot], schema: Schema) -> list[str]:
    """Name domains and slots outside the schema; without a schema, none."""
    if not schema:
        return []
    domains = Counter(domain for domain, *_ in found if domain not in schema)
    slots = Counter((domain, slot) for domain, slot, *_ in found if domain in schema and slot not in schema[domain])
    notes = []
    if domains:
        named = counted(domains, {name: closest(name, schema) for name in domains})
        notes.append(
            f"predicted slots of domains outside the schema: {sum(domains.values())} of {len(found)}: {named}; "
            "they are the slots of no goal and of no gold state"
        )
    if slots:
        names = Counter({f"{domain}/{slot}": count for (domain, slot), count in slots.items()})
        near = {f"{domain}/{slot}": closest(slot, schema[domain]) for domain, slot in slots}
        notes.append(
            f"predicted slots outside the schema: {sum(slots.values())} of {len(found)}: {counted(names, near)}; "
            "no gold state has them"
        )
    return notes


def _no_value(found: Sequence[Slot]) -> list[str]:
    """Count values that mean no wish: gold states leave such slots out."""
    texts = ((value, _plain(value), gold) for _, _, value, gold in found if isinstance(value, str))
    meant = [(value, plain) for value, plain, gold in texts
             if plain in DONTCARE | NOTHING and not same_value(value, gold)]  # fmt: skip
    cares = Counter(value for value, plain in meant if plain in DONTCARE)
    empty = Counter(value or "(empty)" for value, plain in meant if plain in NOTHING)
    notes = []
    if cares:
        other = sum(count for value, count in cares.items() if value not in ANYTHING)
        but = f" but for {other}, which it looks up as values" if other else ""
        notes.append(
            f"dontcare predicted {sum(cares.values())}x: {counted(cares)}; the gold states leave it out, so these "
            f"slots count as wrong in joint goal and slot F1 (as constraints of Inform they match everything{but})"
        )
    if empty:
        notes.append(
            f"slots predicted without a value {sum(empty.values())}x: {counted(empty)}; the gold states leave such "
            "slots out, so these count as wrong: leave them out too"
        )
    return notes


def _case(found: Sequence[Slot]) -> list[str]:
    """Count values that are wrong by case, spacing or marks alone."""
    texts = [(value, gold) for _, _, value, gold in found if isinstance(value, str) and isinstance(gold, str)]
    unequal = (pair for pair in texts if pair[0] != pair[1] and _plain(pair[0]) == _plain(pair[1]))
    odd = Counter(value for value, gold in unequal if not same_value(value, gold))
    return [f"values wrong by case, spacing or marks alone: {sum(odd.values())}: {counted(odd)}"] if odd else []


def _unequal(found: Sequence[Slot]) -> list[str]:
    """Count values that joint goal accuracy takes for the gold value, and the database does not."""
    odd = Counter(
        f"{domain}/{slot}={value} for {gold}"
        for domain, slot, value, gold in found
        if slot in EXACT and isinstance(value, str) and value != gold and same_value(value, gold)
    )
    if not odd:
        return []
    return [
        f"values right by the fuzzy rule that the database looks up as they are: {sum(odd.values())}: {counted(odd)}"
    ]


def _loose(found: Sequence[Slot]) -> list[str]:
    """Count values that the fuzzy rule takes for the gold value although they are a small part of it, or it of them."""
    texts = [(value, gold) for _, _, value, gold in found if isinstance(value, str) and isinstance(gold, str)]
    passed = [pair for pair in texts if pair[0] != pair[1] and same_value(*pair)]
    odd = [(value, gold) for value, gold in passed if _differ_in_length(value, gold) or len(value) == 1]
    if not odd:
        return []
    letters = sum(len(value) == 1 for value, _ in odd)
    named = counted(Counter(f"{value} for {gold}" for value, gold in odd))
    return [
        f"values right by the fuzzy rule (partial_ratio above {SAME}) though less than half of the gold value or more "
        f"than twice it: {len(odd)} ({letters} of one letter): {named}"
    ]


def _differ_in_length(value: str, gold: str) -> bool:
    short, long = sorted((len(value), len(gold)))
    return short * LOOSE < long


def _letters(found: Sequence[Slot]) -> list[str]:
    """Count one-letter constraints in columns of the database that are compared by likeness: they match any row."""
    odd = Counter(
        f"{domain}/{slot}={value}"
        for domain, slot, value, gold in found
        if isinstance(value, str) and len(value.strip()) == 1 and slot in FUZZY.get(domain, ()) and value != gold
    )
    if not odd:
        return []
    return [f"one-letter constraints that match every row with the letter: {sum(odd.values())}: {counted(odd)}"]


def _plain(value: str) -> str:
    """Return the letters and digits of a value."""
    return _MARKS.sub("", value.lower())
