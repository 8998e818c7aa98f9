"""How users say things: phrases put together to sentences, so that one act has thousands of wordings."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from lab_lib.corpora.town import phrases_user as say
from lab_lib.corpora.town.text import Act, joined, pick, sentence

State = Mapping[str, Mapping[str, str]]


class UserWording:
    """The wording of one user. `earlier` is the belief state before the turn, `system` the acts being answered."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def word(self, acts: Sequence[Act], system: Sequence[Act], earlier: State) -> list[tuple[Act, str]]:
        """Return a template for each act, in order; every place in it is a value of its act."""
        self.earlier = earlier
        self.question = system[-1].kind if system else "opening"
        return [(act, getattr(self, f"_{act.kind}")(act)) for act in acts]

    def _pick(self, phrases: Sequence[str]) -> str:
        return pick(self.rng, phrases)

    def _any(self, phrases: Sequence[str]) -> str:
        return self.rng.choice(phrases)

    # Opening and closing

    def _greet(self, act: Act) -> str:
        return self._any(say.ONLY_GREETINGS)

    def _offtopic(self, act: Act) -> str:
        return f"{self._any(say.OFF_TOPIC_LEADS)} {self._any(say.OFF_TOPICS)}"

    def _thank(self, act: Act) -> str:
        return self._any(say.THANKS)

    def _bye(self, act: Act) -> str:
        return self._any(say.BYES.get(self.question, say.BYES[""]))

    def _start(self, act: Act) -> str:
        lead, opener = self._lead(), self._opener(act)
        # "Hello, can you ..." but "Hello, I need ...".
        continues = lead.rstrip().endswith(",") and not opener.startswith(("I ", "I'"))
        return f"{lead} {opener[:1].lower() + opener[1:] if continues else opener}"

    def _lead(self) -> str:
        """Return what comes before a new wish: a greeting at the very start, else a reaction to the reply."""
        if self.question == "opening":
            greeting = self._any(say.GREETINGS)
            return greeting if greeting.endswith(",") else f"{greeting} {self._any(say.SMALL_TALK)}"
        reactions: dict[str, Sequence[str]] = {
            "greet": ("",),
            "refuse": say.AFTER_REFUSAL,
            "askbook": say.AFTER_BOOKING_OFFER,
            "reqmore": say.AFTER_MORE,
        }
        return self._any(reactions.get(self.question, say.AFTER_OTHER))

    def _opener(self, act: Act) -> str:
        if "name" in act.slots():
            kind = "place to stay" if act.domain == "hotel" else act.domain
            return self._pick(say.NAMED_OPENERS).replace("{kind}", kind)
        ride = act.domain in ("train", "taxi")
        openers: Sequence[str] = say.RIDE_OPENERS if ride else say.OPENERS
        if self.question not in ("opening", "greet"):
            openers = say.MORE_OPENERS
        phrase = self._ride(act) if ride else self._place(act)
        return self._pick(openers).replace("{np}", phrase)

    def _ride(self, act: Act) -> str:
        parts = [self._any(say.RIDE_PARTS[slot]) for slot in say.RIDE_PARTS if slot in act.slots()]
        return f"a {act.domain} {' '.join(parts)}"

    def _place(self, act: Act) -> str:
        """Return a noun phrase: article, adjectives, noun, then area, food and extras behind it."""
        slots = act.slots()
        stars, noun = "{stars} star " if "stars" in slots else "", self._any(say.NOUNS[act.domain])
        price = "{pricerange:adjective} " if "pricerange" in slots else ""
        noun = "{type}" if "type" in slots else noun
        before = "food" in slots and self.rng.random() < 0.6
        behind = self._behind(act, before)
        return f"{{a}} {price}{stars}{'{food} ' if before else ''}{noun} {behind}"

    def _behind(self, act: Act, food_told: bool) -> str:
        slots, behind = act.slots(), []
        if "food" in slots and not food_told:
            behind.append(self._any(("that serves {food} food", "with {food} food", "serving {food} food")))
        if "area" in slots:
            behind.append(self._area(act))
        extras = [self._any(say.EXTRAS[slot]) for slot in say.EXTRAS if slot in slots]
        return " ".join(behind + ([f"with {joined(extras)}"] if extras else []))

    def _area(self, act: Act) -> str:
        """Return where; now and then by the place talked about before, when that is in the same area."""
        area = dict(act.values)["area"]
        near = [domain for domain, state in self.earlier.items() if state.get("area") == area]
        if near and self.rng.random() < 0.5:
            return self._any(say.SAME_AREA).replace("{earlier}", near[0])
        return self._any(say.AREAS)

    # Telling more

    def _verbs(self, act: Act) -> str:
        table = say.RIDES if act.domain in ("train", "taxi") else say.VERBS
        return joined([self._any(table[slot]) for slot in act.slots()])

    def _tell(self, act: Act) -> str:
        if act.domain in ("train", "taxi"):
            return self._pick(say.RIDE_TELLS).replace("{vp}", self._verbs(act))
        if len(act.values) > 1:
            return self._pick(say.TELL_VERBS).replace("{vp}", self._verbs(act))
        return self._with_short(say.TELLS, act)

    def _with_short(self, templates: Sequence[str], act: Act) -> str:
        short = joined([self._any(say.SHORTS[slot]) for slot in act.slots()])
        return sentence(self._pick(templates).replace("{short}", short))

    def _add(self, act: Act) -> str:
        ride = act.domain in ("train", "taxi")
        return self._pick(say.RIDE_ADDS if ride else say.ADDS).replace("{vp}", self._verbs(act))

    def _check(self, act: Act) -> str:
        return sentence(" And ".join(self._any(say.CHECKS[slot]) for slot in act.slots()))

    def _note(self, act: Act) -> str:
        return self._with_short(say.NOTES, act)

    def _other(self, act: Act) -> str:
        return self._any(say.OTHERS)

    def _instead(self, act: Act) -> str:
        return self._with_short(say.INSTEADS, act)

    def _rethink(self, act: Act) -> str:
        if act.slots() == ("day",):
            return self._any(say.DAY_RETHINKS)
        return self._with_short(say.RETHINKS, act)

    def _indifferent(self, act: Act) -> str:
        return self._any(say.INDIFFERENT).replace("{label}", say.LABELS[act.slots()[0]])

    # Booking and asking

    def _accept(self, act: Act) -> str:
        return self._pick(say.CHOICES) if act.values else self._any(say.ACCEPTS)

    def _details_phrase(self, act: Act) -> str:
        phrases = {slot: self._any(say.DETAILS[slot]) for slot in act.slots()}
        if act.domain == "hotel" and "bookday" in phrases:
            phrases["bookday"] = self._any(("from {bookday}", "starting on {bookday}"))
        for slot, same in say.SAME_DETAILS.items():
            if slot in phrases and self._told_before(act, slot) and self.rng.random() < 0.4:
                phrases[slot] = same
        order = list(phrases.values())
        self.rng.shuffle(order)
        return " ".join(order)

    def _told_before(self, act: Act, slot: str) -> bool:
        """Return whether every earlier booking had the same detail, so that "the same" is clear."""
        before = [s[slot] for domain, s in self.earlier.items() if slot in s and domain != act.domain]
        return bool(before) and set(before) == {dict(act.values)[slot]}

    def _book(self, act: Act) -> str:
        item = self._any(say.ITEM[act.domain])
        if act.domain == "train" and act.values:
            item = "{bookpeople} {tickets}" if self.rng.random() < 0.5 else item
        details = "" if "{bookpeople}" in item else self._details_phrase(act)
        text = self._pick(say.BOOKS).replace("{item}", item).replace("{details}", details)
        return text.replace(" .", ".").replace(" ?", "?")

    def _details(self, act: Act) -> str:
        return sentence(self._pick(say.DETAIL_ANSWERS).replace("{details}", self._details_phrase(act)))

    def _retry(self, act: Act) -> str:
        return self._any(say.RETRIES)

    def _rebook(self, act: Act) -> str:
        return self._any(say.REBOOKS[act.slots()[0]])

    def _ask(self, act: Act) -> str:
        nouns = joined([self._any(say.FACT_NOUNS[slot]) for slot in act.slots()])
        return self._pick(say.ASKS).replace("{facts}", nouns)
