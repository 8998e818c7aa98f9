"""How the system says things: one template for each act, from the lists of `phrases_system` and `phrases_booking`."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

from lab_lib.corpora.town import phrases_booking as book
from lab_lib.corpora.town import phrases_system as say
from lab_lib.corpora.town.text import Act, joined, pick, sentence

VENUES = ("restaurant", "hotel", "attraction")
# Acts that are one template each: {kind: {domain: templates}}.
LISTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "askbook": book.ASK_BOOKING,
    "askmore": {"attraction": say.ASK_MORE},
    "select": dict.fromkeys(VENUES, say.SELECTS),
    "another": dict.fromkeys(VENUES, say.OTHERS),
    "confirm": dict.fromkeys(VENUES, say.CONFIRMATIONS),
    "nooffer": say.NO_OFFERS,
    "nobook": book.NO_BOOKINGS,
    "booked": book.BOOKINGS,
    "rebooked": dict.fromkeys(("restaurant", "hotel", "train"), book.REBOOKINGS),
    "taxi": {"taxi": book.TAXIS},
}
PLACES = re.compile(r"\{(\w+)")


def word_system(acts: Sequence[Act], rng: random.Random) -> list[tuple[Act, str]]:
    """Return a template for each act, in order; every place in it is a value of its act."""
    first = Act("welcome") if acts[0].kind == "reqmore" else acts[0]
    return [(act, _word(act, rng)) for act in (first, *acts[1:])]


def _word(act: Act, rng: random.Random) -> str:
    composed: dict[str, Callable[[Act, random.Random], str]] = {
        "request": _request,
        "offer": _offer,
        "bookrequest": _book_request,
        "facts": _facts,
    }
    if act.kind in composed:
        return composed[act.kind](act, rng)
    if act.kind in say.PLAIN:
        return pick(rng, say.PLAIN[act.kind])
    return _usable(act, rng, LISTS[act.kind])


def _usable(act: Act, rng: random.Random, lists: Mapping[str, Sequence[str]]) -> str:
    """Pick among the act's domain's templates those whose places all have a value (a free `area`, say, has none)."""
    values = {"a", "people", "tickets", "nights", *act.slots()}
    return pick(rng, [t for t in lists[act.domain] if values.issuperset(PLACES.findall(t))])


def _request(act: Act, rng: random.Random) -> str:
    """Ask for one slot, half of the time after saying how many matches there are."""
    slot = act.values[0][0]
    key = f"{act.domain} {slot}" if slot == "type" else slot
    counted = int(dict(act.values).get("choice", "0")) > 1 and rng.random() < 0.5
    lead = pick(rng, say.COUNTS[act.domain]) if counted else _acknowledgement(rng)
    return f"{lead} {pick(rng, say.QUESTIONS[key])}"


def _acknowledgement(rng: random.Random) -> str:
    return rng.choice(say.ACKNOWLEDGEMENTS) if rng.random() < 0.25 else ""


def _offer(act: Act, rng: random.Random) -> str:
    choice = dict(act.values).get("choice")
    number = "known" if choice is None else "one" if choice == "1" else "many"
    lead = pick(rng, say.LEADS[f"{number} train" if act.domain == "train" else number])
    # A place asked for by its name is described, not recommended.
    offers = [t for t in say.OFFERS[act.domain] if choice is not None or t.startswith("{name}")]
    return f"{lead or _acknowledgement(rng)} {pick(rng, offers)}"


def _book_request(act: Act, rng: random.Random) -> str:
    # Several questions are joined in their short form: "For how many people and at what time?"
    forms = [book.BOOKING_QUESTIONS[slot] for slot in act.asked()]
    questions = pick(rng, forms[0]) if len(forms) == 1 else joined([form[0] for form in forms])
    return f"{pick(rng, book.BOOKING_LEADS)} {sentence(questions)}?"


def _facts(act: Act, rng: random.Random) -> str:
    return sentence(joined([pick(rng, book.FACTS[slot]) for slot in act.slots()])) + "."
