"""The fictional town of Tolvey: its venues, trains and taxis. Every name, street and number is invented.

The town is the same for every seed of the generator, so that corpora of different seeds can be mixed. Rows use
the slot names of dialogue states (`leaveat`); `official_row` gives the column names of the database files.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

Row = dict[str, str]
World = dict[str, list[Row]]

TOWN = "tolvey"
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Two rules of the town make failed bookings learnable from the belief state instead of being noise.
CLOSED = {"restaurant": "monday", "hotel": "saturday"}

STREETS = {
    "harbour": ("ropewalk", "gannet row", "quayside"),
    "riverside": ("heron street", "mill stair", "ferry lane"),
    "hillside": ("bell hill", "orchard steps", "plover road"),
    "old town": ("candle lane", "cobbler street", "saint orla square"),
    "station": ("signal street", "platform road", "cable street"),
}
PRICES = ("cheap", "moderate", "expensive")
RESTAURANTS = {
    "italian": ("nonna perla", "trattoria bellavento", "the olive step", "forno ventura", "casa limone"),
    "indian": ("saffron anchor", "the cumin garden", "tiffin yard", "monsoon table", "jasmine and clove"),
    "nordic": ("the salted oar", "cockle and crab", "the blue lugger", "pilchard row", "the tidewater room"),
    "vegetarian": ("fig and thistle", "the green ladle", "beetroot corner", "the quiet radish", "sorrel and rye"),
    "korean": ("seoul lamplight", "the kimchi jar", "hanok kitchen", "plum blossom grill", "little namsan"),
    "moroccan": ("the tagine door", "atlas courtyard", "mint and amber", "the rose lantern", "souk nine"),
    "british": ("the drowsy heron", "the copper kettle", "toad and pickle", "harvest bell", "the old ropery"),
    "mexican": ("casa cempoala", "the agave terrace", "luna tortilla", "el farolito azul", "blue maize"),
}
HOTELS = (
    "the gannet arms", "pennywhistle lodge", "the old customs house", "foxglove rooms", "the weathercock",
    "belltower hotel", "millrace lodge", "the sleepy barge", "captain orrin house", "number nine mooring",
    "the velvet owl", "cobbler hill guesthouse", "the night ferry hotel", "starling house", "rosehip cottage",
    "the grand meridian", "driftwood rooms", "linden court", "hopfield inn", "the paper moon hotel",
)  # fmt: skip
ATTRACTIONS = {
    "museum": ("museum of knots and sails", "tolvey clock museum", "the salt museum", "the button collection",
               "engine shed museum"),
    "gallery": ("whitewash gallery", "the loft on cable street", "oxbow arts", "the glass room",
                "saint orla print works"),
    "park": ("kestrel park", "the orangery gardens", "lower meadow", "bandstand green", "hermit wood"),
    "theatre": ("the lyric barn", "playhouse on the quay", "the trapdoor theatre", "marionette hall",
                "the empress stage"),
    "cinema": ("the flickerhouse", "moonbeam cinema", "the two reel", "the velvet screen", "projector nine"),
    "boat trip": ("heron river tours", "seal island boats", "the lucky tern ferry", "moonlight rowing",
                  "lighthouse cruises"),
}  # fmt: skip
# Minutes and pounds from Tolvey to each other station; the way back is the same.
LINES = {"garrowmere": (35, "8.40"), "ashlock": (52, "12.60"), "ketterby": (74, "17.10"), "pellam sands": (98, "23.50")}
TAXI = {
    "taxi_colors": ["black", "white", "red", "yellow", "blue", "green"],
    "taxi_types": ["saloon", "estate", "minivan", "hatchback"],
    "taxi_phone": ["^[0-9]{10}$"],
}


def make_world() -> World:
    """Return {domain: rows} for restaurant (40), hotel (20), attraction (30) and train (224)."""
    rng = random.Random("tolvey")
    world: World = {"restaurant": [], "hotel": [], "attraction": []}
    for food, names in RESTAURANTS.items():
        world["restaurant"] += [_restaurant(rng, name, food) for name in names]
    world["hotel"] = [_hotel(rng, name) for name in HOTELS]
    for kind, names in ATTRACTIONS.items():
        world["attraction"] += [_attraction(rng, name, kind) for name in names]
    for rows in world.values():
        for number, row in enumerate(rows, 1):
            row["id"] = str(number)
    return {**world, "train": _trains(rng)}


def _venue(rng: random.Random, name: str) -> Row:
    """Return what every venue has: name, area, address, postcode (`tv` + area digit + ...) and phone."""
    area = rng.choice(list(STREETS))
    street = rng.choice(STREETS[area])
    letters = "".join(rng.choice("abdefghjlnpqrstuwxyz") for _ in range(2))
    return {
        "name": name,
        "area": area,
        "address": f"{rng.randrange(2, 98)} {street}",
        "postcode": f"tv{list(STREETS).index(area) + 1}{rng.randrange(1, 10)}{letters}",
        "phone": f"05550{rng.randrange(100000, 1000000)}",
    }


def _restaurant(rng: random.Random, name: str, food: str) -> Row:
    return {**_venue(rng, name), "food": food, "pricerange": rng.choice(PRICES), "type": "restaurant"}


def _hotel(rng: random.Random, name: str) -> Row:
    """A hotel or guesthouse; more stars cost more, so that cheap five-star houses do not occur."""
    price = rng.choice(PRICES)
    stars = rng.choice({"cheap": "23", "moderate": "34", "expensive": "45"}[price])
    words = set(name.split())
    kind = next((k for k in ("hotel", "guesthouse") if k in words), rng.choice(("hotel", "guesthouse")))
    yes_no = {slot: rng.choice(("yes", "yes", "no")) for slot in ("internet", "parking")}
    return {**_venue(rng, name), "pricerange": price, "stars": stars, "type": kind, **yes_no}


def _attraction(rng: random.Random, name: str, kind: str) -> Row:
    fee = "free" if kind == "park" else rng.choice(("free", "3 pounds", "5 pounds", "8 pounds", "12 pounds"))
    evening = kind in ("theatre", "cinema")
    hours = rng.choice(("14:00 to 23:00", "16:00 to 22:30") if evening else ("09:00 to 17:00", "10:00 to 18:00"))
    return {**_venue(rng, name), "type": kind, "entrancefee": fee, "openhours": hours}


def _trains(rng: random.Random) -> list[Row]:
    """Four trains a day, both ways, on every line: 4 lines * 2 ways * 7 days * 4 = 224."""
    rows = []
    numbers = rng.sample(range(1000, 9999), 224)
    for station, (minutes, price) in LINES.items():
        for ends in ((TOWN, station), (station, TOWN)):
            # One timetable for the whole week, like a real small line.
            starts = [60 * hour + rng.randrange(0, 60, 5) for hour in (6, 10, 14, 18)]
            for day in DAYS:
                rows += [_train(*ends, day, start, minutes, price, numbers.pop()) for start in starts]
    return rows


def _train(departure: str, destination: str, day: str, start: int, minutes: int, price: str, number: int) -> Row:
    return {
        "trainid": f"tv{number}",
        "departure": departure,
        "destination": destination,
        "day": day,
        "leaveat": clock(start),
        "arriveby": clock(start + minutes),
        "duration": f"{minutes} minutes",
        "price": f"{price} pounds",
    }


def clock(minutes: int) -> str:
    """Write minutes after midnight as HH:MM.

    >>> clock(605)
    '10:05'
    """
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def find(rows: Sequence[Row], constraints: Mapping[str, str]) -> list[Row]:
    """Return the rows that meet every constraint; `dontcare` and slots that are no column are ignored.

    Times in HH:MM compare as text: a train must leave at or after `leaveat` and be there at or before `arriveby`.
    Unlike the scorer's database this one compares names exactly: the generator never misspells.
    """
    wanted = {s: v for s, v in constraints.items() if s in rows[0] and v != "dontcare"}
    return [row for row in rows if all(_meets(row, slot, value) for slot, value in wanted.items())]


def _meets(row: Row, slot: str, value: str) -> bool:
    if slot == "leaveat":
        return row[slot] >= value
    if slot == "arriveby":
        return row[slot] <= value
    return row[slot] == value


def official_row(row: Row) -> Row:
    """Return a row under the column names of the published database files, in their alphabetical order."""
    names = {"leaveat": "leaveAt", "arriveby": "arriveBy", "trainid": "trainID", "entrancefee": "entrance fee"}
    return {names.get(slot, slot): value for slot, value in sorted(row.items())}
