"""Replies as the MultiWOZ response scorer reads them: canonical placeholders, lower case, Moses spacing.

A delexicalised reply `The phone of [hotel_name] is [value_phone] .` becomes `the phone of NAME is PHONE.`;
placeholders are then the only upper-case text, which is what Inform and Success look for.
"""

from __future__ import annotations

import functools
import re

from lab_lib.evaluation.moses import respace

_ACCEPTED = {
    "ADDRESS": "address value_address attraction_address hospital_address hotel_address police_address "
    "restaurant_address",
    "AREA": "area value_area attraction_area restaurant_area hotel_area",
    "TIME": "booktime value_time time duration value_duration train_duration arriveby taxi_arriveby "
    "value_arrive train_arriveby leaveat value_leave train_leaveat train_leave train_arrive taxi_leaveat",
    "DAY": "day value_day bookday train_day",
    "PLACE": "destination departure value_destination value_departure value_place train_departure "
    "train_destination taxi_departure taxi_destination",
    "FOOD": "food value_food restaurant_food",
    "NAME": "name value_name attraction_name hospital_name hotel_name police_name restaurant_name",
    "PHONE": "phone value_phone attraction_phone hospital_phone hotel_phone police_phone restaurant_phone taxi_phone",
    "POST": "postcode value_postcode attraction_postcode hospital_postcode hotel_postcode "
    "restaurant_postcode police_postcode",
    "PRICE": "price value_price entrancefee train_price attraction_entrancefee pricerange value_pricerange "
    "restaurant_pricerange hotel_pricerange attraction_pricerange attraction_price",
    "REFERENCE": "ref reference value_reference attraction_reference hotel_reference restaurant_reference "
    "train_reference",
    "COUNT": "stars value_stars hotel_stars bookstay value_stay stay bookpeople value_people people choice "
    "value_choice value_count attraction_choice hotel_choice restaurant_choice train_choice",
    "TYPE": "type taxi_type taxi_car value_type value_car car restaurant_type hotel_type attraction_type",
    "TRAINID": "trainid train_id value_id id train train_trainid",
    "INTERNET": "internet hotel_internet",
    "PARKING": "parking hotel_parking",
    "ID": "hospital_id attraction_id restaurant_id",
    "DEPARTMENT": "department value_department hospital_department",
    "OPEN": "openhours",
}
# {accepted name: placeholder}; four names have a space inside, which counts.
PLACEHOLDERS = {name: upper for upper, names in _ACCEPTED.items() for name in names.split()}
PLACEHOLDERS |= {"arrive by": "TIME", "leave at": "TIME", "entrance fee": "PRICE", "price range": "PRICE"}

_CAPITALS = re.compile("[A-Z]+")
_SLOT = re.compile(r"\[([\w\s]+)\](?:es|s|-s|-es)?")


@functools.lru_cache(maxsize=32768)
def normalise_reply(reply: str) -> tuple[str, tuple[str, ...]]:
    """Return a reply in the scorer's spelling, and the placeholder names in it that no table knows.

    In order: lower case; `[name]` with an optional plural ending becomes its placeholder, an unknown name
    nothing; every `-s`, then every `-ly` is deleted, inside words too; Moses tokeniser and detokeniser. Not
    idempotent: a second pass would lower-case the placeholders.

    >>> normalise_reply("I have [value_choice] [hotel_type]s , the [rating] is at [address] .")
    ('i have COUNT TYPE, the is at ADDRESS.', ('rating',))
    """
    unknown: list[str] = []

    def placeholder(match: re.Match[str]) -> str:
        if match[1] not in PLACEHOLDERS:
            unknown.append(match[1])
        return PLACEHOLDERS.get(match[1], "")

    text = _SLOT.sub(placeholder, reply.lower()).replace("-s", "").replace("-ly", "")
    return respace(text), tuple(unknown)


def count_placeholders(normalised: str) -> int:
    """Return how many placeholders a normalised reply has: its stretches of capitals.

    >>> count_placeholders("the NAME is at ADDRESS.")
    2
    """
    return len(placeholders(normalised))


def placeholders(normalised: str) -> list[str]:
    """Return the placeholders of a normalised reply, sorted.

    >>> placeholders("the NAME is at ADDRESS.")
    ['ADDRESS', 'NAME']
    """
    return sorted(_CAPITALS.findall(normalised))
