"""What the system proposes in a dialogue: values of slots, another function, or the end of the open one.

The acts of the system come from the annotation, because a system knows what it says. What the user makes of a proposal
does not: `understand/acceptance.py` reads it from the utterance.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lab_lib.exemplars.dialogues import NO_INTENT

# Kinds of proposals. An offer of values stays open until the system makes another one or the user accepts it, for
# example after a question about it; the other kinds are about the next user turn only.
OFFER, EARLIER, CONFIRM, INTENT, END = "OFFER", "OFFER, earlier", "CONFIRM", "OFFER_INTENT", "END"

States = Mapping[str, Mapping[str, Collection[str]]]  # {service: {slot: values}}


@dataclass(frozen=True)
class Offer:
    """A proposal of the system: `values` {slot: values}, or the `intent` that would become active (NONE for END)."""

    service: str
    kind: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    intent: str = ""

    def accepted(self, turn: Mapping[str, Any]) -> bool:
        """Whether the annotated state of a user turn has all values, or the intent."""
        for frame in turn.get("frames", ()):
            if frame["service"] == self.service:
                state = frame["state"]
                if self.intent:
                    return bool(state["active_intent"] == self.intent)
                held = state["slot_values"]
                return all(set(texts) & set(held.get(slot, ())) for slot, texts in self.values.items())
        return False


@dataclass
class Offers:
    """The proposals of a dialogue that are open. `taken` is {service: the slots that its intents take}."""

    taken: Mapping[str, Collection[str]]
    _open: dict[tuple[str, str], Offer] = field(default_factory=dict)

    def hear(self, system: Mapping[str, Any]) -> None:
        """Take the proposals of a system turn."""
        kept = [replace(one, kind=EARLIER) for one in self._open.values() if one.kind in (OFFER, EARLIER)]
        self._open = {_place(one): one for one in (*kept, *self._made(system))}

    def open(self, states: States) -> list[Offer]:
        """Return the open proposals, without the values that a state has already."""
        found = []
        for one in self._open.values():
            held = states.get(one.service, {})
            new = {slot: texts for slot, texts in one.values.items() if not set(texts) & set(held.get(slot, ()))}
            if new or one.intent:
                found.append(replace(one, values=new))
        return found

    def close(self, offer: Offer) -> None:
        """Forget a proposal that the user has accepted."""
        del self._open[_place(offer)]

    def _made(self, system: Mapping[str, Any]) -> Iterator[Offer]:
        for frame in system.get("frames", ()):
            service, acts = frame["service"], frame.get("actions", ())
            for kind in (OFFER, CONFIRM):
                values = {act["slot"]: tuple(act["values"]) for act in acts
                          if act["act"] == kind and act["slot"] in self.taken.get(service, ())}  # fmt: skip
                if values:
                    yield Offer(service, kind, values)
            for act in acts:
                if act["act"] == INTENT and act["values"]:
                    yield Offer(service, INTENT, intent=act["values"][0])
            yield Offer(service, END, intent=NO_INTENT)


def _place(offer: Offer) -> tuple[str, str]:
    return offer.service, OFFER if offer.kind == EARLIER else offer.kind
