"""What a simulated user wants: one plan for each domain of the dialogue, sampled so that it can be met."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from lab_lib.corpora.town.world import CLOSED, DAYS, LINES, TOWN, Row, World, clock, find

# How often a goal takes an awkward turn. Shares of plans of a kind that allows it.
NO_MATCH = 0.20
CHANGE_OF_MIND = 0.15
KNOWN_NAME = 0.10
BOOKING_FAILS = 0.15
BOOKING_CHANGES = 0.08

# Domain combinations and their weights. Taxi goals are met by any reply (metrics: taxi is matched automatically),
# so a dialogue about a taxi alone is rare.
COMBINATIONS = (
    (("restaurant",), 16), (("hotel",), 13), (("attraction",), 11), (("train",), 12), (("taxi",), 2),
    (("restaurant", "hotel"), 6), (("restaurant", "attraction"), 7), (("hotel", "attraction"), 6),
    (("train", "restaurant"), 5), (("train", "hotel"), 6), (("train", "attraction"), 5),
    (("restaurant", "hotel", "taxi"), 3), (("restaurant", "attraction", "taxi"), 3),
    (("hotel", "attraction", "taxi"), 3), (("train", "hotel", "attraction"), 1),
    (("train", "hotel", "restaurant"), 1),
)  # fmt: skip
SEARCHED = {
    "restaurant": ("food", "area", "pricerange"),
    "hotel": ("area", "pricerange", "type", "stars", "parking", "internet"),
    "attraction": ("type", "area"),
}
FACTS = {
    "restaurant": ("phone", "address", "postcode", "area", "pricerange", "food"),
    "hotel": ("phone", "address", "postcode", "area", "pricerange", "stars"),
    "attraction": ("phone", "address", "postcode", "area", "entrancefee", "openhours"),
    "train": ("price", "duration"),
}
BOOKED_WITH = {
    "restaurant": ("bookpeople", "bookday", "booktime"),
    "hotel": ("bookpeople", "bookday", "bookstay"),
    "train": ("bookpeople",),
    "attraction": (),
    "taxi": (),
}


@dataclass(frozen=True)
class Plan:
    """One domain of a goal. `first` is what the user says at the start, `final` what must hold at the end.

    They differ when nothing matches (`no match`) or the user thinks again (`change of mind`); the same for
    `first_booking` and `booking`. `commute` marks a taxi between the two venues chosen earlier.
    """

    domain: str
    first: Mapping[str, str]
    final: Mapping[str, str]
    twist: str = ""
    facts: tuple[str, ...] = ()
    booking: Mapping[str, str] = field(default_factory=dict)
    first_booking: Mapping[str, str] = field(default_factory=dict)
    booking_twist: str = ""
    commute: bool = False


def sample_goal(rng: random.Random, world: World) -> tuple[Plan, ...]:
    """Return the plans of one dialogue in the order they are talked about; party size and day are shared."""
    combinations, weights = zip(*COMBINATIONS, strict=True)
    domains = list(rng.choices(combinations, weights)[0])
    if domains[0] != "train" and len(domains) > 1 and rng.random() < 0.5:
        domains[:2] = domains[1::-1]
    party = {
        "bookpeople": str(rng.choice((1, 2, 2, 3, 4, 4, 5, 6, 7))),
        "bookday": rng.choice([day for day in DAYS if day not in CLOSED.values()]),
        "bookstay": str(rng.choice((1, 2, 2, 3, 4, 5))),
        "booktime": clock(60 * rng.randrange(12, 21) + rng.choice((0, 15, 30, 45))),
    }
    plans: list[Plan] = []
    for domain in domains:
        plans.append(_sample_plan(rng, world, domain, party, plans, len(domains) == 1))
    return tuple(plans)


def _sample_plan(
    rng: random.Random, world: World, domain: str, party: Mapping[str, str], earlier: list[Plan], alone: bool
) -> Plan:
    if domain == "taxi":
        return _sample_taxi(rng, world, len(earlier) > 1)
    if domain == "train":
        return _sample_train(rng, world["train"], party, alone)
    return _sample_venue(rng, world[domain], domain, party, earlier)


def _sample_venue(
    rng: random.Random, rows: list[Row], domain: str, party: Mapping[str, str], earlier: list[Plan]
) -> Plan:
    """Pick a venue, take some of its columns as constraints (so at least that venue matches), add the twist."""
    areas = [plan.final["area"] for plan in earlier if "area" in plan.final]
    near = [row for row in rows if row["area"] in areas]
    venue = rng.choice(near if near and rng.random() < 0.6 else rows)
    booking, first_booking, booking_twist = _sample_booking(rng, domain, party)
    if rng.random() < KNOWN_NAME:
        final: dict[str, str] = {"name": venue["name"]}
        first, twist = final, ""
    else:
        final = _constraints(rng, venue, domain, bool(near) and venue in near)
        first, twist = _twist(rng, rows, final)
    facts = _sample_facts(rng, domain, final, bool(booking))
    return Plan(domain, first, final, twist, facts, booking, first_booking, booking_twist)


def _constraints(rng: random.Random, venue: Row, domain: str, with_area: bool) -> dict[str, str]:
    # A user asks for free parking or wifi, never for a hotel without.
    slots = [s for s in SEARCHED[domain] if venue[s] != "no"]
    count = {"restaurant": rng.choice((2, 2, 3)), "hotel": rng.choice((2, 3, 3, 4)), "attraction": 2}[domain]
    if domain == "attraction" and rng.random() < 0.25:
        count = 1
    chosen = set(rng.sample(slots, min(count, len(slots))))
    if with_area:
        chosen.add("area")
    return {slot: venue[slot] for slot in SEARCHED[domain] if slot in chosen}


def _twist(rng: random.Random, rows: list[Row], final: dict[str, str]) -> tuple[dict[str, str], str]:
    """Return the constraints as first said and the kind of twist; unchanged when no such twist is possible."""
    draw = rng.random()
    if draw >= NO_MATCH + CHANGE_OF_MIND:
        return final, ""
    twist = "no match" if draw < NO_MATCH else "change of mind"
    others = [
        {**final, slot: value}
        for slot in final
        if slot not in ("parking", "internet")
        for value in sorted({row[slot] for row in rows} - {final[slot]})
        if bool(find(rows, {**final, slot: value})) == (twist == "change of mind")
    ]
    return (rng.choice(others), twist) if others else (final, "")


def _sample_booking(
    rng: random.Random, domain: str, party: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str], str]:
    """Return (booking, booking as first tried, twist): full or closed on that day, or one detail changed later."""
    if domain == "attraction" or rng.random() < 0.3:
        return {}, {}, ""
    booking = {slot: party[slot] for slot in BOOKED_WITH[domain]}
    draw = rng.random()
    if domain in CLOSED and draw < BOOKING_FAILS:
        return booking, {**booking, "bookday": CLOSED[domain]}, "full"
    if BOOKING_FAILS <= draw < BOOKING_FAILS + BOOKING_CHANGES:
        slot = rng.choice([s for s in booking if s != "bookday"])
        other = {"bookpeople": "8", "bookstay": "6", "booktime": "11:45"}[slot]
        return booking, {**booking, slot: other}, "change"
    return booking, booking, ""


def _sample_facts(rng: random.Random, domain: str, final: Mapping[str, str], booked: bool) -> tuple[str, ...]:
    """Return what the user asks about the venue; without a booking there is always something to ask."""
    if booked and rng.random() < 0.3:
        return ()
    contact, more = FACTS[domain][:3], [s for s in FACTS[domain][3:] if s not in final]
    facts = rng.sample(contact, rng.choice((1, 1, 2, 2, 3)))
    if more and rng.random() < 0.4:
        facts.append(rng.choice(more))
    return tuple(facts[:3])


def _sample_train(rng: random.Random, rows: list[Row], party: Mapping[str, str], alone: bool) -> Plan:
    """A train on the party's day, to the town unless it is all the user wants.

    Nothing matches at first when the first time is after the last train of the day or before the first one.
    """
    booking, first_booking, booking_twist = _sample_booking(rng, "train", party)
    day = [row for row in rows if row["day"] == party["bookday"]]
    train = rng.choice([row for row in day if alone or row["destination"] == TOWN])
    start = 60 * int(train["leaveat"][:2]) + int(train["leaveat"][3:])
    minutes = LINES[train["departure"] if train["departure"] != TOWN else train["destination"]][0]
    late = rng.random() < 0.5
    # The wish lies up to 100 minutes beside the timetable, in steps of five.
    slack = 5 * rng.randrange(0, 20)
    time = {"leaveat": clock(start - slack)} if late else {"arriveby": clock(start + minutes + slack)}
    final = {slot: train[slot] for slot in ("departure", "destination", "day")} | time
    first, twist = final, ""
    draw = rng.random()
    if draw < NO_MATCH:
        twist = "no match"
        hour = rng.randrange(20, 23) if late else rng.randrange(4, 6)
        first = {**final, next(iter(time)): clock(60 * hour + rng.choice((0, 15, 30)))}
    elif draw < NO_MATCH + CHANGE_OF_MIND:
        first, twist = {**final, "day": rng.choice([d for d in DAYS if d != final["day"]])}, "change of mind"
    facts = tuple(rng.sample(FACTS["train"], rng.choice((0, 1, 2) if booking else (1, 2))))
    return Plan("train", first, final, twist, facts, booking, first_booking, booking_twist)


def _sample_taxi(rng: random.Random, world: World, commute: bool) -> Plan:
    """A taxi between the venues of the dialogue, or between any venue and the station."""
    time = {rng.choice(("leaveat", "arriveby")): clock(60 * rng.randrange(8, 23) + rng.choice((0, 15, 30, 45)))}
    if commute:
        return Plan("taxi", time, time, commute=True)
    domain = rng.choice(("restaurant", "hotel", "attraction"))
    ends = [rng.choice(world[domain])["name"], f"{TOWN} station"]
    rng.shuffle(ends)
    first = {"departure": ends[0], "destination": ends[1], **time}
    return Plan("taxi", first, first)
