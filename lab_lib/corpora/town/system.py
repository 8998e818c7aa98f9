"""The rule-based system. Its next act follows from the user's acts, the belief state and the number of matches,
so that a model that sees these can learn it; chance only chooses the words and which matching venue to name.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from lab_lib.corpora.town.goals import BOOKED_WITH
from lab_lib.corpora.town.text import Act
from lab_lib.corpora.town.world import CLOSED, TAXI, Row, World, find

# With more matches than this the system asks for another wish, if there is one left to ask for.
MANY = 3
ASKED = {
    "restaurant": ("food", "area", "pricerange"),
    "hotel": ("area", "pricerange", "type"),
    "attraction": ("type", "area"),
}
REFERENCE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class System:
    """Answers a user turn. `booked` is {domain: record} of what is booked by now, as in MultiWOZ 2.1 metadata."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.booked: dict[str, dict[str, str]] = {}
        self.named: dict[str, str] = {}
        self.train: Row = {}

    def reply(self, user: Sequence[Act], state: Mapping[str, Mapping[str, str]]) -> list[Act]:
        """Return the system's acts; the user's last act decides."""
        act = user[-1]
        plain = {"greet": "greet", "offtopic": "refuse", "thank": "reqmore", "bye": "bye"}
        if act.kind in plain:
            return [Act(plain[act.kind])]
        if act.kind == "ask":
            return self._facts(act, state[act.domain])
        if act.kind in ("book", "details", "retry", "rebook"):
            return self._book(act, state[act.domain])
        if act.domain == "taxi":
            return self._taxi(state["taxi"])
        if act.domain == "train":
            return self._search_train(state["train"])
        if act.kind in ("check", "note"):
            return self._confirm(act.domain, state[act.domain])
        if act.kind == "other":
            return self._another(act.domain, state[act.domain])
        return self._search(act.domain, state[act.domain])

    # Searching

    def _search(self, domain: str, state: Mapping[str, str]) -> list[Act]:
        """No match: say so. Many matches and something left to ask: ask. Two: name both. Else name one."""
        rows = find(self.world[domain], state)
        # One "I do not mind" is enough: the next reply is an offer.
        missing = [slot for slot in ASKED[domain] if slot not in state and "dontcare" not in state.values()]
        said = tuple((slot, value) for slot, value in state.items() if value != "dontcare")
        choice = ("choice", str(len(rows)))
        if not rows:
            return [Act("nooffer", domain, said)]
        if len(rows) > MANY and missing:
            return [Act("request", domain, ((missing[0], "?"), choice))]
        if len(rows) == 2:
            names = (("name", rows[0]["name"]), ("name2", rows[1]["name"]))
            return [Act("select", domain, (*said, *names, choice))]
        row = self._steady(domain, rows)
        # Who asks for a place by its name is not told how many there are.
        counted = () if "name" in state else (choice,)
        return [Act("offer", domain, (*row.items(), *counted)), self._question(domain)]

    def _steady(self, domain: str, rows: Sequence[Row]) -> Row:
        """Return the venue named before if it still fits, else any that does."""
        before = [row for row in rows if row["name"] == self.named.get(domain)]
        row = (before or [self.rng.choice(rows)])[0]
        self.named[domain] = row["name"]
        return row

    def _another(self, domain: str, state: Mapping[str, str]) -> list[Act]:
        """Name another venue that fits; users ask only when there is one."""
        rows = [row for row in find(self.world[domain], state) if row["name"] != self.named[domain]]
        row = self.rng.choice(rows)
        self.named[domain] = row["name"]
        return [Act("another", domain, tuple(row.items())), self._question(domain)]

    def _confirm(self, domain: str, state: Mapping[str, str]) -> list[Act]:
        """Say that the venue just named meets one more wish."""
        row = self._steady(domain, find(self.world[domain], state))
        return [Act("confirm", domain, tuple(row.items())), self._question(domain)]

    def _question(self, domain: str) -> Act:
        return Act("askbook" if BOOKED_WITH[domain] else "askmore", domain)

    def _search_train(self, state: Mapping[str, str]) -> list[Act]:
        rows = find(self.world["train"], state)
        choice = ("choice", str(len(rows)))
        for slot in ("departure", "destination", "day", "leaveat"):
            if slot not in state and not (slot == "leaveat" and "arriveby" in state):
                return [Act("request", "train", ((slot, "?"), choice))]
        if not rows:
            return [Act("nooffer", "train", tuple(state.items()))]
        # The first train after the wished departure, or the last one that is there in time.
        self.train = min(rows, key=_leaves) if "leaveat" in state else max(rows, key=_leaves)
        return [Act("offer", "train", (*self.train.items(), choice)), self._question("train")]

    def _taxi(self, state: Mapping[str, str]) -> list[Act]:
        for slot in ("departure", "destination", "leaveat"):
            if slot not in state and not (slot == "leaveat" and "arriveby" in state):
                return [Act("request", "taxi", ((slot, "?"),))]
        car = f"{self.rng.choice(TAXI['taxi_colors'])} {self.rng.choice(TAXI['taxi_types'])}"
        self.booked["taxi"] = {"phone": f"05559{self.rng.randrange(100000, 1000000)}", "type": car}
        return [Act("taxi", "taxi", (*state.items(), *self.booked["taxi"].items()))]

    # Booking and facts

    def _row(self, domain: str, state: Mapping[str, str]) -> Row:
        return self.train if domain == "train" else find(self.world[domain], {"name": state["name"]})[0]

    def _book(self, act: Act, state: Mapping[str, str]) -> list[Act]:
        domain = act.domain
        missing = [slot for slot in BOOKED_WITH[domain] if slot not in state]
        if missing:
            return [Act("bookrequest", domain, tuple((slot, "?") for slot in missing))]
        row = self._row(domain, state)
        details = tuple((slot, state[slot]) for slot in BOOKED_WITH[domain])
        if state.get("bookday") == CLOSED.get(domain, "never"):
            return [Act("nobook", domain, (*row.items(), *details))]
        key = "trainID" if domain == "train" else "name"
        reference = "".join(self.rng.choice(REFERENCE_LETTERS) for _ in range(8))
        self.booked[domain] = {key: row[key.lower()], "reference": reference}
        kind = "rebooked" if act.kind == "rebook" else "booked"
        return [Act(kind, domain, (*row.items(), *details, ("ref", reference))), *self._more()]

    def _facts(self, act: Act, state: Mapping[str, str]) -> list[Act]:
        """Give every fact asked for; then offer the booking that is still possible, or ask what else."""
        row = self._row(act.domain, state)
        facts = Act("facts", act.domain, tuple((slot, row[slot]) for slot in act.slots()))
        if BOOKED_WITH[act.domain] and act.domain not in self.booked:
            return [facts, Act("askbook", act.domain)]
        return [facts, *self._more()]

    def _more(self) -> list[Act]:
        return [Act("reqmore")] if self.rng.random() < 0.6 else []


def _leaves(row: Row) -> str:
    return row["leaveat"]
