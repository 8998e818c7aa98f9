"""The services of a dialogue as functions for a prompt, in their original wording or in another one (SGD-X)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lab_lib.calls.skills.skill import Skill, Skills
from lab_lib.exemplars.schema_functions import Names, Schema, functions_of, intents_of, slot_name
from lab_lib.exemplars.types import AnnotatedExemplar


@dataclass(frozen=True)
class Api:
    """One intent of a service. `known` is its function's name in the index; `slots` is {parameter: slot of the schema}.

    Function and parameters have the names of the wording; service, intent and slots those of the official files.
    """

    service: str
    intent: str
    known: str
    skill: Skill
    slots: Mapping[str, str]
    parameters: Mapping[str, str]  # {parameter in the index: parameter in the wording}

    def worded(self, one: AnnotatedExemplar) -> AnnotatedExemplar:
        """Return an exemplar of the function with the names of the wording."""
        values, spoken = (
            {self.parameters.get(slot, slot): texts for slot, texts in found.items()}
            for found in (one.target_arguments, one.spoken)
        )
        return replace(one, target_name=self.skill.name, target_arguments=values, spoken=spoken)


def apis_of(schema: Schema, where: str, names: Names, wording: Schema | None = None) -> dict[str, tuple[Api, ...]]:
    """Return {service: its intents}. `wording` has the same services, intents and slots in the same order."""
    other = schema if wording is None else wording
    called = names if wording is None else Names.of([wording], where)
    found = {}
    for own, worded in zip(schema, other, strict=True):
        skills = functions_of([worded], where, called)
        service, told = own["service_name"], worded["service_name"]
        pairs = list(zip(own["slots"], worded["slots"], strict=True))
        slots = {slot_name(told, new["name"]): old["name"] for old, new in pairs}
        known = {slot_name(service, old["name"]): slot_name(told, new["name"]) for old, new in pairs}
        found[service] = tuple(
            Api(
                service,
                old["name"],
                names.name(service, old["name"]),
                skills[called.name(told, new["name"])],
                slots,
                known,
            )
            for old, new in zip(intents_of(own, where), intents_of(worded, where), strict=True)
        )
    return found


def offered_functions(apis: Iterable[Api]) -> Skills:
    """Return the functions of some intents; of functions with equal names the first."""
    return Skills(list({one.skill.name: one.skill for one in reversed(list(apis))}.values())[::-1])


def slots_taken(apis: Mapping[str, Iterable[Api]]) -> dict[str, frozenset[str]]:
    """Return {service: the slots that its intents take}, under the names of the official files."""
    return {
        service: frozenset(api.slots[one.name] for api in own for one in api.skill.function.parameters)
        for service, own in apis.items()
    }
