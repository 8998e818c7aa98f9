"""Functions from the schema of schema-guided dialogues: an intent is a function, its slots are the parameters.

Interfaces to the same kind of thing (Restaurants_1, Restaurants_2) share the names of their intents. They become one
function, so that names exclude each other: it has the parameters of all of them, and a description from each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.calls.schema import Function
from lab_lib.calls.skills.parameters import make_parameter
from lab_lib.calls.skills.skill import Skill, Skills
from lab_lib.errors import LabError, shown

TRUTH = {"True": True, "False": False}


@dataclass(frozen=True)
class Document:
    """A text that describes a function; one function may have several."""

    function: str
    text: str


def snake(name: str) -> str:
    """Return a name in snake_case.

    >>> snake("SearchOnewayFlight"), snake("find_hotel")
    ('search_oneway_flight', 'find_hotel')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def slot_name(service: str, slot: str) -> str:
    """Return a slot without the name of its service, as MultiWOZ writes it before every slot.

    >>> slot_name("hotel", "hotel-book stay"), slot_name("Hotels_1", "check_in_date")
    ('book_stay', 'check_in_date')
    """
    return re.sub(r"\W+", "_", slot.removeprefix(f"{service}-"))


def functions_of(schema: Iterable[Mapping[str, Any]], where: str) -> Skills:
    """Return the functions of a schema, in its order. Raises LabError for an intent or slot that is malformed."""
    found: dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
    for service in schema:
        for intent in intents_of(service, where):
            found.setdefault(snake(intent["name"]), []).append((service, intent))
    return Skills([Skill(_function(name, pairs, where)) for name, pairs in found.items()])


def documents_of(functions: Skills) -> tuple[Document, ...]:
    """Return one text a function: the words of its name, and its description."""
    return tuple(Document(name, document_text(name, skill.function.description)) for name, skill in functions.items())


def schema_documents(
    schema: Sequence[Mapping[str, Any]], where: str, names: Sequence[Mapping[str, Any]] | None = None
) -> tuple[Document, ...]:
    """Return one text an intent of every service, none twice.

    `names` is the schema with the functions' own names, service by service and intent by intent in the same order,
    where `schema` words it in another way. Raises LabError where the two do not go together.
    """
    known = schema if names is None else names
    pairs = [(name, intent) for old, new in zip(known, schema, strict=False)
             for name, intent in zip(intents_of(old, where), intents_of(new, where), strict=False)]  # fmt: skip
    if not len(known) == len(schema) or len(pairs) != sum(len(intents_of(one, where)) for one in (*known, *schema)) / 2:
        raise LabError(f"{where}: not the same services and intents as the schema that it words in another way")
    made = (Document(snake(n["name"]), document_text(i["name"], str(i.get("description", "")))) for n, i in pairs)
    return tuple(dict.fromkeys(made))


def document_text(name: str, description: str) -> str:
    """Return a function as a retriever reads it.

    >>> document_text("FindRestaurants", "Find a restaurant in a city")
    'find restaurants: Find a restaurant in a city'
    """
    return f"{snake(name).replace('_', ' ')}: {description}".removesuffix(": ")


def intents_of(service: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
    """Return the intents of a service. Raises LabError for one without a name."""
    intents = service.get("intents")
    if not isinstance(intents, list) or not all(isinstance(one, Mapping) and one.get("name") for one in intents):
        raise LabError(
            f"{where}, service {service.get('service_name')}: 'intents' is {shown(intents)}, expected a list"
        )
    return intents


def _function(name: str, pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], where: str) -> Function:
    """Return the one function that the intents of several services are; a slot that all require is required."""
    described = dict.fromkeys(str(intent.get("description") or name) for _, intent in pairs)
    slots: dict[str, list[Mapping[str, Any]]] = {}
    required: set[str] | None = None
    for service, intent in pairs:
        own = {slot_name(service["service_name"], one["name"]): one for one in service["slots"]}
        needed = {slot_name(service["service_name"], slot) for slot in intent.get("required_slots", ())}
        optional = {slot_name(service["service_name"], slot) for slot in intent.get("optional_slots", ())}
        used = [slot for slot in own if slot in needed | optional] or list(own)
        for slot in used:
            slots.setdefault(slot, []).append(own[slot])
        required = needed if required is None else required & needed
    parameters = [make_parameter(slot, parameter_schema(many, slot in (required or ())), f"{where}, {name}")
                  for slot, many in slots.items()]  # fmt: skip
    needs = tuple(parameter.name for parameter in parameters if "default" not in parameter.raw)
    return Function(name, "; ".join(described), tuple(parameters), needs)


def parameter_schema(slots: Sequence[Mapping[str, Any]], required: bool) -> dict[str, Any]:
    """Return the JSON Schema of a parameter that stands for a slot of one service or several.

    True and False make a boolean. Options count where every service lists them; elsewhere it is a text.
    """
    values = [
        value for slot in slots for value in (slot.get("possible_values") or () if slot["is_categorical"] else ())
    ]
    listed = all(slot["is_categorical"] and slot.get("possible_values") for slot in slots)
    description = "; ".join(dict.fromkeys(str(slot["description"]) for slot in slots if slot.get("description")))
    if listed and set(values) == set(TRUTH):
        kind: dict[str, Any] = {"type": "boolean"}
    else:
        kind = {"type": "string", **({"enum": list(dict.fromkeys(map(str, values)))} if listed else {})}
    return {**kind, **({} if required else {"default": None}), **({"description": description} if description else {})}


def typed(value: str, schema: Mapping[str, Any]) -> Any:
    """Return the text of a value as a parameter has it.

    >>> typed("True", {"type": "boolean"}), typed("True", {"type": "string"})
    (True, 'True')
    """
    return TRUTH.get(value, value) if "boolean" in schema["type"] else value
