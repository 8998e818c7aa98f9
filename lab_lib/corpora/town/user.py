"""The simulated user: follows an agenda, one plan after the other, and keeps the belief state of what was said."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

from lab_lib.corpora.town.goals import Plan
from lab_lib.corpora.town.text import Act

OFF_TOPIC = 0.15
GREETING_ONLY = 0.06
THANKS_ONLY = 0.25
ANOTHER = 0.2


class User:
    """Reacts to the system's acts. `state` is {domain: {slot: value}} after the last reply, `dontcare` included."""

    def __init__(self, plans: Sequence[Plan], rng: random.Random) -> None:
        self.plans, self.rng = plans, rng
        self.state: dict[str, dict[str, str]] = {}
        self.position = -1
        self.off_topic = rng.random() < OFF_TOPIC
        self.todo: list[str] = []

    @property
    def plan(self) -> Plan:
        """The plan being talked about."""
        return self.plans[self.position]

    def opening(self) -> list[Act]:
        """Return the acts of the first turn."""
        return [Act("greet")] if self.rng.random() < GREETING_ONLY else self._next_plan()

    def reply(self, system: Sequence[Act], heard: Collection[str]) -> list[Act]:
        """Return the acts that answer the system's turn; its first act decides. `heard` are the slots it mentioned."""
        self.heard = frozenset(heard)
        handlers = {
            "greet": lambda act: self._next_plan(),
            "refuse": lambda act: self._next_plan(),
            "request": self._answer,
            "nooffer": lambda act: self._change(),
            "offer": self._consider,
            "select": self._consider,
            "another": self._consider,
            "confirm": self._consider,
            "bookrequest": self._details,
            "nobook": lambda act: self._book(self.plan.booking, ("bookday",), "retry"),
            "booked": lambda act: self._after_booking(),
            "rebooked": lambda act: self._next_stage(),
            "facts": lambda act: self._next_stage(),
            "taxi": lambda act: self._finish(),
            "reqmore": lambda act: [Act("bye")],
        }
        self.question = system[-1].kind
        return handlers[system[0].kind](system[0])

    # Searching

    def _next_plan(self) -> list[Act]:
        self.position += 1
        if self.position == len(self.plans):
            # Bare thanks make the system ask what else there is, which it may just have done.
            thanks = self.question not in ("askbook", "reqmore", "refuse") and self.rng.random() < THANKS_ONLY
            return [Act("thank" if thanks else "bye")]
        self.wants = dict(self.plan.first)
        if self.plan.commute:
            self._fill_commute()
        slots = list(self.wants)
        count = self.rng.randrange(1, len(slots) + 1)
        chosen = set(self.rng.sample(slots, max(count, self.rng.randrange(1, len(slots) + 1))))
        return [self._say("start", [slot for slot in slots if slot in chosen])]

    def _fill_commute(self) -> None:
        """A commute goes between the first two venues chosen; its plan does not know them beforehand."""
        names = [slots["name"] for slots in self.state.values() if "name" in slots][:2]
        self.wants = {"departure": names[0], "destination": names[1], **self.wants}

    def _say(self, kind: str, slots: Sequence[str]) -> Act:
        """Tell the current wish for some slots and put it into the state."""
        values = {slot: self.wants[slot] for slot in slots}
        self.state.setdefault(self.plan.domain, {}).update(values)
        return Act(kind, self.plan.domain, tuple(values.items()))

    def _pending(self) -> list[str]:
        told = self.state.get(self.plan.domain, {})
        return [slot for slot in self.wants if slot not in told]

    def _answer(self, act: Act) -> list[Act]:
        """Answer a question; what the goal does not mention does not matter to this user."""
        asked = {"leaveat", "arriveby"} if "leaveat" in act.asked() else set(act.asked())
        known = [slot for slot in self._pending() if slot in asked]
        others = [slot for slot in self._pending() if slot not in asked]
        volunteered = others[:1] if others and self.rng.random() < 0.3 else []
        if known:
            return [self._say("tell", known + volunteered)]
        self.state.setdefault(self.plan.domain, {}).update({slot: "dontcare" for slot in act.asked()})
        acts = [Act("indifferent", self.plan.domain, act.values)]
        return acts + ([self._say("add", others)] if others else [])

    def _change(self, kind: str = "instead") -> list[Act]:
        """Give up what cannot be had, or think again: the wish that differs takes its final value."""
        changed = [slot for slot, value in self.plan.final.items() if self.wants[slot] != value]
        self.wants.update(self.plan.final)
        return [self._say(kind, changed)]

    def _consider(self, act: Act) -> list[Act]:
        """React to an offer: more wishes first, then second thoughts, else accept."""
        if pending := self._pending():
            return [self._say(self._addition(act, pending), pending)]
        if any(self.wants[slot] != value for slot, value in self.plan.final.items()):
            return self._change("rethink")
        # With several matches some users want to hear of a second one; trains are taken as they come.
        several = act.kind == "offer" and int(dict(act.values).get("choice", "1")) > 1
        if several and self.plan.domain != "train" and self.rng.random() < ANOTHER:
            return [Act("other", self.plan.domain)]
        return self._accept(act)

    def _addition(self, act: Act, pending: Sequence[str]) -> str:
        """Return how to bring up more wishes: ask when the offer may meet them, note it when it said so."""
        offered = dict(act.values)
        if act.kind == "select" or any(offered.get(slot) != self.wants[slot] for slot in pending):
            return "add"
        return "note" if self.heard.issuperset(pending) else "check"

    # Booking and asking

    def _accept(self, act: Act) -> list[Act]:
        names = [value for slot, value in act.values if slot.startswith("name")]
        stages = (["book"] if self.plan.booking else []) + (["ask"] if self.plan.facts else [])
        self.todo = stages[::-1] if self.rng.random() < 0.25 else stages
        chosen: tuple[tuple[str, str], ...] = ()
        if self.plan.domain != "train":
            name = self.rng.choice(names)
            self.state[self.plan.domain]["name"] = name
            # Of two offers the user has to say which; a single one is just "it".
            chosen = (("name", name),) if len(names) > 1 else ()
        return [Act("accept", self.plan.domain, chosen), *self._next_stage()]

    def _next_stage(self) -> list[Act]:
        if not self.todo:
            return self._finish()
        if self.todo.pop(0) == "ask":
            return [Act("ask", self.plan.domain, tuple((slot, "?") for slot in self.plan.facts))]
        slots = tuple(self.plan.first_booking)
        if self.rng.random() < 0.4:
            slots = slots[: self.rng.randrange(0, len(slots))]
        return self._book(self.plan.first_booking, slots, "book")

    def _book(self, details: Mapping[str, str], slots: Sequence[str], kind: str) -> list[Act]:
        values = tuple((slot, details[slot]) for slot in slots)
        self.state.setdefault(self.plan.domain, {}).update(values)
        return [Act(kind, self.plan.domain, values)]

    def _details(self, act: Act) -> list[Act]:
        return self._book(self.plan.first_booking, act.asked(), "details")

    def _after_booking(self) -> list[Act]:
        if self.plan.booking_twist == "change":
            first, last = self.plan.first_booking, self.plan.booking
            return self._book(last, [slot for slot in last if first[slot] != last[slot]], "rebook")
        return self._next_stage()

    def _finish(self) -> list[Act]:
        """Close the domain: an off-topic question once in a while, then the next plan or the end."""
        if self.off_topic and (self.position + 1 == len(self.plans) or self.rng.random() < 0.5):
            self.off_topic = False
            return [Act("offtopic")]
        return self._next_plan()
