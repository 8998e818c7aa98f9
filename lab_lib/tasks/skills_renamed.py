"""Skills under made-up names, with their parameters in another order: does a model read its prompt, or remember?

A model that has memorised the skills calls `weather` whatever the prompt says. A model that reads uses the new name.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lab_lib.calls.call import Call
from lab_lib.calls.skills.skill import NO_SKILL, Skill, Skills
from lab_lib.errors import LabError
from lab_lib.tasks.skills_data import SkillItem

RENAMED, SHUFFLED = "renamed", "shuffled"  # the variants on test
CALLED = "called"  # in a prediction with renamed skills: {made-up name: the skill}
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


def check_renaming(share: float, on_test: bool, describe: str, answers: str) -> None:
    """Raise LabError for names that no prompt shows, and for a grammar that excludes remembered names."""
    if not 0 <= share <= 1:
        raise LabError(f"task.renamed={share}: a share of the training requests, between 0 and 1")
    if (share or on_test) and describe == "nothing":
        raise LabError("task.renamed and renamed_test: no prompt says the names; set task.describe=signatures or texts")
    if on_test and answers != "free":
        raise LabError("task.renamed_test needs task.answers=free: under a grammar no remembered name can be written")


def with_new_names(item: SkillItem, seed: str) -> tuple[SkillItem, dict[str, str]]:
    """Return an item whose skills have made-up names, drawn by the seed, and {made-up name: skill}.

    The skills are reordered too: a model could memorise the place of the prompt to copy a name from.
    """
    draw = random.Random(f"{seed}, names")
    called: dict[str, str] = {}
    for name in draw.sample(list(item.skills), len(item.skills)):
        while (made := _made_up(draw)) in (*called, *item.skills, NO_SKILL):
            pass
        called[made] = name
    own = {name: made for made, name in called.items()}
    skills = [_changed(item.skills[name], name=made) for made, name in called.items()]
    call = item.call if item.call.name == NO_SKILL else Call(own[item.call.name], dict(item.call.arguments))
    return replace(item, skills=Skills(skills), call=call), called


def with_other_order(item: SkillItem, seed: str) -> SkillItem:
    """Return an item whose skills and call have their parameters in another order, drawn by the seed."""
    draw = random.Random(f"{seed}, order")
    skills = []
    for skill in item.skills.values():
        parameters = skill.function.parameters
        skills.append(_changed(skill, parameters=tuple(draw.sample(parameters, len(parameters)))))
    found, given = Skills(skills), item.call.arguments
    names = [one.name for one in found[item.call.name].function.parameters] if item.call.name in found else []
    return replace(
        item, skills=found, call=Call(item.call.name, {name: given[name] for name in names if name in given})
    )


def as_renamed(item: SkillItem, share: float, seed: int) -> SkillItem:
    """Return an item for training: a share of the training items get new names and orders, drawn for each item."""
    if not item.learned or random.Random(f"{seed}, renamed, {item.key}").random() >= share:
        return item
    own = f"{seed}, {item.key}"
    return with_new_names(with_other_order(item, own), own)[0]


def with_own_names(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a prediction with the real names of the skills; a name that was not on offer becomes an unknown one."""
    called = answer.get(CALLED)
    if not isinstance(called, Mapping):
        return answer
    name, bracket, rest = str(answer["response"]).strip().partition("(")
    own = called.get(name, name if name == NO_SKILL else f"{name}_unknown")
    return {**answer, "response": f"{own}{bracket}{rest}"}


def _changed(skill: Skill, **changes: Any) -> Skill:
    return replace(skill, function=replace(skill.function, **changes))


def _made_up(draw: random.Random) -> str:
    return "".join(draw.choice(CONSONANTS) + draw.choice(VOWELS) for _ in range(3))
