"""One spelling for slot names and values: the rules the MultiWOZ response scorer applies to states and goals.

They follow the published scorer (Nekvinda and Dušek 2021, "Shades of BLEU, Flavours of Success"), quirks included: `12
pm` becomes `24:00`, and an exact table corrects annotators' errors such as `intalian`. A value without a rule is
returned unchanged.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, Literal

# "2022": names as they are. "2023": "bed and breakfast" in a name is shortened to "b and b". That is a later
# change of the published scorer; it lowers Inform by up to 2.6 points, so published tables go with 2022 only.
Rules = Literal["2022", "2023"]

NAME_SLOTS = frozenset({"name", "destination", "departure"})
TIME_SLOTS = frozenset({"arrive", "leave", "arriveby", "leaveat", "time"})

NAMES = {
    "hotel du vin bistro": "hotel du vin and bistro",
    "the river bar and grill": "the river bar steakhouse and grill",
    "nando's": "nandos",
    "city center b and b": "city center north b and b",
    "acorn house": "acorn guest house",
    "caffee uno": "caffe uno",
    "cafe uno": "caffe uno",
    "rosa's": "rosas bed and breakfast",
    "restaurant called two two": "restaurant two two",
    "restaurant 2 two": "restaurant two two",
    "restaurant two 2": "restaurant two two",
    "restaurant 2 2": "restaurant two two",
    "restaurant 1 7": "restaurant one seven",
    "restaurant 17": "restaurant one seven",
    "lime house": "limehouse",
    "cityrooms": "cityroomz",
    "whale of time": "whale of a time",
    "huntingdon hotel": "huntingdon marriott hotel",
    "holiday inn exlpress, cambridge": "express by holiday inn cambridge",
    "university hotel": "university arms hotel",
    "arbury guesthouse and lodge": "arbury lodge guesthouse",
    "arbury guesthouse": "arbury lodge guesthouse",
    "bridge house": "bridge guest house",
    "nandos in the city centre": "nandos city centre",
    "broughton gallery": "broughton house gallery",
    "scudamores punt co": "scudamores punting co",
    "cambridge botanic gardens": "cambridge university botanic gardens",
    "the botanical gardens at cambridge university": "cambridge university botanic gardens",
    "the junction": "junction theatre",
    "trinity street college": "trinity college",
    "christ college": "christ's college",
    "christs": "christ's college",
    "history of science museum": "whipple museum of the history of science",
    "parkside pools": "parkside swimming pool",
    "cafe jello museum": "cafe jello gallery",
}

TYPES = {
    "swimming pool": "swimmingpool",
    "mutliple sports": "multiple sports",
    "night club": "nightclub",
    "guest house": "guesthouse",
}

FOODS = {
    "eriterean": "mediterranean",
    "brazilian": "portuguese",
    "portugese": "portuguese",
    "sea food": "seafood",
    "modern american": "north american",
    "americas": "north american",
    "intalian": "italian",
    "italain": "italian",
    "asian or oriental": "asian",
    "english": "british",
    "brutish": "british",
    "bristish": "british",
    "australasian": "australian",
    "gastropod": "gastropub",
    "europeon": "european",
}

TIMES = {
    "afternoon": "13:00",
    "lunch": "12:00",
    "noon": "12:00",
    "mid-day": "12:00",
    "around lunch time": "12:00",
    "morning": "08:00",
    "seven o'clock tomorrow evening": "07:00",
    "three forty five p.m": "15:45",
    "one thirty p.m.": "13:30",
    "six fourty five": "06:45",
    "eight thirty": "08:30",
}


@functools.lru_cache(maxsize=4096)
def normalise_slot(slot: str) -> str:
    """Return the slot name in lower case without spaces, `arriveBy` and `leaveAt` shortened.

    >>> normalise_slot("arriveBy"), normalise_slot("price range")
    ('arrive', 'pricerange')
    """
    name = slot.lower().replace(" ", "")
    return {"arriveby": "arrive", "leaveat": "leave"}.get(name, name)


@functools.lru_cache(maxsize=65536)
def normalise_value(slot: str, value: str, rules: Rules = "2022") -> str:
    """Return `value` in the database's spelling; `slot` must already be normalised.

    Only names, places, food, types, times and the yes/no slots of hotels have rules; `area`, `stars`, `day`
    and the booking slots come back untouched, case included.

    >>> normalise_value("leave", "1:30 pm"), normalise_value("food", "Italain "), normalise_value("day", "A")
    ('13:30', 'italian', 'A')
    """
    if slot in NAME_SLOTS:
        return _name(value, rules)
    if slot in TIME_SLOTS:
        return _time(value)
    if slot == "type":
        return TYPES.get(value, value)
    if slot == "food":
        food = value.strip().lower()
        return FOODS.get(food, food)
    return "yes" if slot in ("parking", "internet") and value == "free" else value


def normalise_state(state: Mapping[str, Mapping[str, Any]], rules: Rules = "2022") -> dict[str, dict[str, Any]]:
    """Return {domain: {slot: value}} with slots and values normalised, domains untouched; a new dict.

    Of two slots that get the same name the later wins. A value that is no string is kept as it is.

    >>> normalise_state({"train": {"leaveAt": "9:15", "people": "2"}})
    {'train': {'leave': '09:15', 'people': '2'}}
    """
    result: dict[str, dict[str, Any]] = {}
    for domain, slots in state.items():
        renamed = result[domain] = {}
        for slot, value in slots.items():
            name = normalise_slot(slot)
            renamed[name] = normalise_value(name, value, rules) if isinstance(value, str) else value
    return result


@functools.lru_cache(maxsize=4096)
def minutes(time: str) -> int:
    """Return minutes since midnight of a string that starts with `HH:MM` (ASCII digits), 0 for anything else.

    >>> minutes("09:15"), minutes("9:15"), minutes("24:05 sharp")
    (555, 0, 1445)
    """
    found = re.match(r"([0-9]{2}):([0-9]{2})", time)
    return 60 * int(found[1]) + int(found[2]) if found else 0


def _name(value: str, rules: Rules) -> str:
    """Normalise the name of a venue or a place."""
    name = value.strip().lower().replace(" & ", " and ").replace("&", " and ").replace(" '", "'")
    if rules == "2023":
        name = name.replace("bed and breakfast", "b and b")
    return NAMES.get(name, name)


def _time(value: str) -> str:
    """Turn a time as people type it into `HH:MM` where a rule applies; the order of the rules matters."""
    time = value.strip().lower()
    if time in TIMES:
        return TIMES[time]
    if time.startswith("one o'clock p.m"):
        return "13:00"
    if time.startswith("ten o'clock a.m"):
        return "10:00"
    time = _drop_opening(time)
    for ending in ("am", "a.m."):
        time = time[: -len(ending)].strip() if time.endswith(ending) else time
    if time.endswith(("pm", "p.m.")):
        for ending in ("pm", "p.m."):
            time = time[: -len(ending)].strip() if time.endswith(ending) else time
        if (afternoon := _afternoon(time)) is not None:
            return afternoon
    return _clock(time)


def _drop_opening(time: str) -> str:
    """Drop `by` with the next character, then `after`, then the misspelt `afer` from the front."""
    if time.startswith("by"):
        time = time[3:]
    if time.startswith("after"):
        time = time[5:].strip()
    if time.startswith("afer"):
        time = time[4:].strip()
    return time


def _afternoon(time: str) -> str | None:
    """Add twelve hours to `H`, `HH` or `H:MM`; None if the hour is no number (the published one stops)."""
    hour, *rest = time.split(":")
    if len(rest) > 1 or (not rest and not hour.isdigit()):
        return None
    try:
        return f"{int(hour) + 12}:{rest[0] if rest else '00'}"
    except ValueError:
        return None


def _clock(time: str) -> str:
    """Bring digits with or without a colon to `HH:MM`; other text comes back as it is."""
    if not time:
        return "00:00"
    if time[-1] in ".,?":
        time = time[:-1]
    if time.isdigit():
        return f"{time[:2]}:{time[2:]}" if len(time) == 4 else f"{time.zfill(2)}:00"
    if ":" in time:
        time = time.replace(" ", "")
    return f"0{time}" if len(time) == 4 and time[1] == ":" else time
