"""Functions from the schema of schema-guided dialogues: an intent is a function, its slots are the parameters.

Services of one family (Restaurants_1, Restaurants_2) share the names of their intents. These become one function, so
that names are unambiguous: it has the parameters of all of them, and a description from each. If two families share the
name of an intent (films to stream, films in a cinema), the name of the family becomes its prefix.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.calls.schema import Function
from lab_lib.calls.skills.parameters import make_parameter
from lab_lib.calls.skills.skill import Skill, Skills
from lab_lib.errors import LabError, shown

TRUTH = {"True": True, "False": False}
Schema = Sequence[Mapping[str, Any]]


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
    """Return a slot as a parameter name: without the prefix of MultiWOZ; a Python keyword gets a `_`.

    >>> slot_name("hotel", "hotel-book stay"), slot_name("Trains_1", "from")
    ('book_stay', 'from_')
    """
    name = re.sub(r"\W+", "_", slot.removeprefix(f"{service}-"))
    return f"{name}_" if keyword.iskeyword(name) else name


def family_of(service: str) -> str:
    """Return the family of a service: its name without the number.

    >>> family_of("Restaurants_2"), family_of("hotel")
    ('Restaurants', 'hotel')
    """
    return re.sub(r"_\d+$", "", service)


@dataclass(frozen=True)
class Names:
    """The function names of intents; `shared` are the intent names that several families have."""

    shared: frozenset[str] = frozenset()

    @classmethod
    def of(cls, schemas: Iterable[Schema], where: str) -> Names:
        """Find shared names in the schemas of all splits, so that a function has the same name in each."""
        families: dict[str, set[str]] = {}
        for service in (service for schema in schemas for service in schema):
            for intent in intents_of(service, where):
                families.setdefault(snake(intent["name"]), set()).add(family_of(service["service_name"]))
        return cls(frozenset(name for name, found in families.items() if len(found) > 1))

    def name(self, service: str, intent: str) -> str:
        """Return the function name of an intent.

        >>> names = Names(frozenset({"find_movies"}))
        >>> names.name("Media_2", "FindMovies"), names.name("Homes_1", "FindApartment")
        ('media_find_movies', 'find_apartment')
        """
        name = snake(intent)
        return f"{snake(family_of(service))}_{name}" if name in self.shared else name


def functions_of(schema: Schema, where: str, names: Names) -> Skills:
    """Return the functions of a schema, in its order. Raises LabError for a malformed intent or slot."""
    found: dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
    for service in schema:
        for intent in intents_of(service, where):
            found.setdefault(names.name(service["service_name"], intent["name"]), []).append((service, intent))
    return Skills([Skill(_function(name, pairs, where)) for name, pairs in found.items()])


def slots_by_service(schema: Schema, where: str, names: Names) -> dict[str, dict[str, frozenset[str]]]:
    """Return {service: {function: its slots}}; the function may have more, from other services of the family."""
    return {
        (name := service["service_name"]): {
            names.name(name, intent["name"]): frozenset(_used(service, intent)) for intent in intents_of(service, where)
        }
        for service in schema
    }


def documents_of(functions: Skills) -> tuple[Document, ...]:
    """Return one text per function: the words of its name, and its description."""
    return tuple(Document(name, document_text(name, skill.function.description)) for name, skill in functions.items())


def schema_documents(schema: Schema, where: str, names: Names, own: Schema | None = None) -> tuple[Document, ...]:
    """Return one text per intent of every service, without duplicates.

    `own` is the schema that names the functions if `schema` is another wording of it: the same services and intents in
    the same order. Raises LabError if the two do not match.
    """
    known = schema if own is None else own
    sizes = [[len(intents_of(service, where)) for service in one] for one in (known, schema)]
    if sizes[0] != sizes[1]:
        raise LabError(f"{where}: not the same services and intents as the original schema")
    made = []
    for old, new in zip(known, schema, strict=True):
        for name, intent in zip(intents_of(old, where), intents_of(new, where), strict=True):
            text = document_text(intent["name"], str(intent.get("description", "")))
            made.append(Document(names.name(old["service_name"], name["name"]), text))
    return tuple(dict.fromkeys(made))


def document_text(name: str, description: str) -> str:
    """Return the text of a function for a retriever.

    >>> document_text("FindRestaurants", "Find a restaurant in a city")
    'find restaurants: Find a restaurant in a city'
    """
    return f"{snake(name).replace('_', ' ')}: {description}".removesuffix(": ")


def intents_of(service: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
    """Return the intents of a service. Raises LabError for an intent without a name."""
    intents = service.get("intents")
    if not isinstance(intents, list) or not all(isinstance(one, Mapping) and one.get("name") for one in intents):
        raise LabError(
            f"{where}, service {service.get('service_name')}: 'intents' is {shown(intents)}, expected a list"
        )
    return intents


def _function(name: str, pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], where: str) -> Function:
    """Merge the intents of several services into one function; a slot is required if all intents require it."""
    described = dict.fromkeys(str(intent.get("description") or name) for _, intent in pairs)
    slots: dict[str, list[Mapping[str, Any]]] = {}
    required: set[str] | None = None
    for service, intent in pairs:
        for slot, one in _used(service, intent).items():
            slots.setdefault(slot, []).append(one)
        needed = {slot_name(service["service_name"], slot) for slot in intent.get("required_slots", ())}
        required = needed if required is None else required & needed
    parameters = [make_parameter(slot, parameter_schema(many, slot in (required or ())), f"{where}, {name}")
                  for slot, many in slots.items()]  # fmt: skip
    needs = tuple(parameter.name for parameter in parameters if "default" not in parameter.raw)
    return Function(name, "; ".join(described), tuple(parameters), needs)


def _used(service: Mapping[str, Any], intent: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return {parameter: slot} of an intent; an intent that lists no slots takes all of its service."""
    own = {slot_name(service["service_name"], one["name"]): one for one in service["slots"]}
    listed = (*intent.get("required_slots", ()), *intent.get("optional_slots", ()))
    used = {slot_name(service["service_name"], slot) for slot in listed}
    return {name: slot for name, slot in own.items() if name in used} or own


def parameter_schema(slots: Sequence[Mapping[str, Any]], required: bool) -> dict[str, Any]:
    """Return the JSON Schema of a parameter for a slot of one or several services.

    True and False become a boolean. Options become an enum if every service lists them. All other slots are strings.
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
    """Return the text of a value as the type of its parameter.

    >>> typed("True", {"type": "boolean"}), typed("True", {"type": "string"})
    (True, 'True')
    """
    return TRUTH.get(value, value) if "boolean" in schema["type"] else value
