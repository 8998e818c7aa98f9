"""The slots of the town's five services, in the form of MultiWOZ 2.2's schema.json."""

from __future__ import annotations

from typing import Any

from lab_lib.corpora.town.world import DAYS, World

# {service: (what it is, {slot: what it is})}. Slots with few values list them in the schema: CATEGORICAL.
SERVICES: dict[str, tuple[str, dict[str, str]]] = {
    "restaurant": ("restaurants of Tolvey and tables in them", {
        "food": "kind of dishes the restaurant serves", "area": "part of the town", "pricerange": "how costly it is",
        "name": "name of the restaurant", "bookpeople": "number of guests", "bookday": "day of the booking",
        "booktime": "time of the booking", "address": "street and number", "phone": "phone number",
        "postcode": "postcode", "ref": "reference number of the booking"}),
    "hotel": ("hotels and guesthouses of Tolvey and rooms in them", {
        "area": "part of the town", "pricerange": "how costly it is", "type": "hotel or guesthouse",
        "stars": "star rating", "parking": "whether parking is free", "internet": "whether there is wifi",
        "name": "name of the house", "bookpeople": "number of guests", "bookday": "day of arrival",
        "bookstay": "number of nights", "address": "street and number", "phone": "phone number",
        "postcode": "postcode", "ref": "reference number of the booking"}),
    "attraction": ("places to visit in Tolvey", {
        "type": "kind of place", "area": "part of the town", "name": "name of the place",
        "address": "street and number", "phone": "phone number", "postcode": "postcode",
        "entrancefee": "what it costs to get in", "openhours": "when it is open"}),
    "train": ("trains from and to Tolvey", {
        "departure": "where the journey begins", "destination": "where it ends", "day": "day of the journey",
        "leaveat": "leave at this time or later", "arriveby": "arrive at this time or earlier",
        "bookpeople": "number of tickets", "trainid": "number of the train", "price": "price of a ticket",
        "duration": "travel time", "ref": "reference number of the booking"}),
    "taxi": ("taxis within Tolvey", {
        "departure": "where the taxi picks the guest up", "destination": "where it goes",
        "leaveat": "leave at this time or later", "arriveby": "arrive at this time or earlier",
        "type": "colour and kind of the car", "phone": "phone number of the driver"}),
}  # fmt: skip
SEARCHED = ("food", "area", "pricerange", "name", "type", "stars", "parking", "internet", "departure", "destination",
            "day", "leaveat", "arriveby")  # fmt: skip
COUNTS = [str(number) for number in range(1, 9)]
CATEGORICAL = frozenset(
    {f"{service}-{slot}" for service in SERVICES for slot in ("area", "pricerange", "bookpeople", "bookday")}
    | {"hotel-type", "hotel-stars", "hotel-parking", "hotel-internet", "hotel-bookstay", "attraction-type"}
    | {"train-departure", "train-destination", "train-day"}
)


def schema(world: World) -> list[dict[str, Any]]:
    """Return the services with their slots and intents; values are those of the database, in alphabetical order."""
    return [_service(world, name, *parts) for name, parts in SERVICES.items()]


def _service(world: World, service: str, description: str, slots: dict[str, str]) -> dict[str, Any]:
    return {
        "service_name": service,
        "description": description,
        "slots": [_slot(world, service, slot, text) for slot, text in slots.items()],
        "intents": _intents(service, slots),
    }


def _slot(world: World, service: str, slot: str, description: str) -> dict[str, Any]:
    name = f"{service}-{slot}"
    categorical = name in CATEGORICAL
    values = {"possible_values": _values(world, service, slot)} if categorical else {}
    return {"name": name, "description": description, "is_categorical": categorical, **values}


def _values(world: World, service: str, slot: str) -> list[str]:
    fixed = {"bookpeople": COUNTS, "bookstay": COUNTS, "bookday": list(DAYS), "day": list(DAYS)}
    return fixed.get(slot) or sorted({row[slot] for row in world[service]})


def _intents(service: str, slots: dict[str, str]) -> list[dict[str, Any]]:
    optional = {f"{service}-{slot}": "dontcare" for slot in slots if slot in SEARCHED or slot.startswith("book")}
    verbs = {"attraction": ("find",), "taxi": ("book",)}.get(service, ("find", "book"))
    return [
        {
            "name": f"{verb}_{service}",
            "description": f"{verb} {SERVICES[service][0]}",
            "is_transactional": verb == "book",
            "required_slots": [],
            "optional_slots": optional,
        }
        for verb in verbs
    ]
