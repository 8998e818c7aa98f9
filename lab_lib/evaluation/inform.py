"""Inform and Success of the MultiWOZ response scorer, dialogue by dialogue, with the cause of every failure.

Inform: the venues the system offered last meet the user's goal. Success: beyond that, every fact the user had
to ask for was given. Both look only at placeholders (`NAME`, `PHONE`) in normalised replies, at the belief
state the system searched with, and at the domain each turn is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.corpora.database import Database
from lab_lib.corpora.types import DomainGoal

# The placeholder that offers a venue, by domain.
OFFERS = {"restaurant": "NAME", "hotel": "NAME", "attraction": "NAME", "train": "TRAINID"}
FACTS = {
    "PHONE": "phone",
    "ADDRESS": "address",
    "POST": "postcode",
    "REFERENCE": "reference",
    "TRAINID": "train id",
}
DOMAINS = ("restaurant", "hotel", "attraction", "train", "taxi", "police", "hospital")
# These domains have no table, so no venue can be wrong.
_NO_VENUE = frozenset({"taxi", "police", "hospital"})

States = Sequence[Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class DialogueVerdict:
    """Whether one dialogue informs (`match`) and succeeds, by goal domain and in `total`.

    If `match["total"]` is false, every `success` is false. `causes` says what is wrong, domain by domain
    (`hotel: no venue offered`), and which placeholders no table knows (`unknown slot [adress]`); empty for a
    successful dialogue.
    """

    match: Mapping[str, bool]
    success: Mapping[str, bool]
    causes: tuple[str, ...] = ()


def estimate_active_domains(states: States) -> list[list[str]]:
    """Return the domain each turn is about, guessed from what changed in the belief state: one name or none.

    A new or changed slot makes its domain current (of several changed ones the domain with most slots, unless
    the current one is among them). With no change the current domain stays, except that after a turn in which
    several domains changed another of these takes over. Removed slots are no change.
    """
    active: list[list[str]] = []
    current: str | None = None
    previous: Mapping[str, Mapping[str, Any]] = {}
    changed_before: list[str] = []
    for state in states:
        changed = [domain for domain in state if _gained(state[domain], previous.get(domain, {}))]
        if not changed and current is None:
            active.append([])
            continue
        if not changed and len(changed_before) > 1:
            others = [domain for domain in changed_before if domain in state and domain != current]
            current = others[0] if others else current
        elif changed and current not in changed:
            current = max(changed, key=lambda domain: len(state[domain]))
        previous, changed_before = state, changed
        active.append([current] if current else [])
    return active


def slot_name_domains(reply: str) -> list[str]:
    """Return the domains named in a raw reply's placeholders: the part before the first `_` of each `[...]`.

    >>> slot_name_domains("[hotel_name] is near [value_place]")
    ['hotel']
    """
    named = {inside.split("_")[0] for inside in re.findall(r"\[([^\[\]]*)\]", reply)}
    return [domain for domain in DOMAINS if domain in named]


def judge(
    replies: Sequence[str],
    states: States,
    active: Sequence[Sequence[str]],
    goal: Mapping[str, DomainGoal],
    booked: Sequence[Sequence[str]],
    database: Database,
) -> DialogueVerdict:
    """Return the verdict on one dialogue; all lists are by system turn, `replies` and `states` normalised.

    Turns beyond the last of `booked` are ignored.
    """
    tracks = {domain: _Track() for domain in goal}
    for reply, state, domains, has_booking in zip(replies, states, active, booked, strict=False):
        for domain in dict.fromkeys(domains):
            if domain in tracks:
                tracks[domain].read(domain, reply, state, domain in has_booking, database)
    match = {domain: tracks[domain].matches(domain, goal[domain], database) for domain in goal}
    informs = all(match.values())
    told = {domain: not tracks[domain].untold(goal[domain]) for domain in goal}
    success = {domain: informs and told[domain] for domain in goal}
    causes = tuple(cause for domain in goal for cause in tracks[domain].causes(domain, goal[domain], match))
    return DialogueVerdict(match | {"total": informs}, success | {"total": all(success.values())}, causes)


def rates(verdicts: Iterable[Mapping[str, bool]]) -> dict[str, float]:
    """Return {domain: percentage of true verdicts among dialogues that have the domain}, to one decimal."""
    counts: dict[str, list[bool]] = {}
    for verdict in verdicts:
        for domain, good in verdict.items():
            counts.setdefault(domain, []).append(good)
    return {domain: round(100 * sum(goods) / len(goods), 1) for domain, goods in counts.items()}


class _Track:
    """What the system has said about one domain so far: venues on offer (a bit mask), facts told."""

    def __init__(self) -> None:
        self.offered = 0
        self.told: set[str] = set()
        self.premature = False

    def read(self, domain: str, reply: str, state: Mapping[str, Any], is_booked: bool, database: Database) -> None:
        """Take in a reply about the domain."""
        if domain in OFFERS and OFFERS[domain] in reply:
            found = database.mask(domain, state[domain]) if domain in state else 0
            # Earlier venues stay on offer as long as all of them fit the state now searched with.
            if not self.offered or self.offered & ~found:
                self.offered = found
        for fact in FACTS:
            if fact in reply:
                if fact == "REFERENCE" and not is_booked:
                    self.premature = True
                else:
                    self.told.add(fact)

    def matches(self, domain: str, goal: DomainGoal, database: Database) -> bool:
        """Return whether the venues on offer are all ones the user wants, or none had to be offered."""
        if "name" in goal.informable or domain in _NO_VENUE:
            return True
        if domain == "train" and not self.offered and "TRAINID" not in goal.requestable:
            return True
        return bool(self.offered) and not self.offered & ~database.mask(domain, goal.informable)

    def untold(self, goal: DomainGoal) -> list[str]:
        """Return the requested facts that were not told."""
        return [fact for fact in goal.requestable if fact not in self.told]

    def causes(self, domain: str, goal: DomainGoal, match: Mapping[str, bool]) -> list[str]:
        """Return what is wrong in this domain, one line each."""
        causes = []
        if not match[domain]:
            causes.append(f"{domain}: {'wrong venue' if self.offered else 'no venue offered'}")
        for fact in self.untold(goal):
            early = fact == "REFERENCE" and self.premature
            causes.append(f"{domain}: {'premature reference' if early else f'missing {FACTS[fact]}'}")
        return causes


def _gained(slots: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Return whether some slot has a value it did not have before."""
    return any(slot not in before or before[slot] != value for slot, value in slots.items())
