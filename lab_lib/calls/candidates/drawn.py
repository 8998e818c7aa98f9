"""Questions for a small local model: the call is drawn here, and the model writes the user's utterance for it.

A call of an example gets another value, and the model writes the words around it. A grammar holds it to one line in
which the values of the call stand as they are, so that a model of 135 million parameters is of use too.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.calls.call import Call
from lab_lib.calls.examples.types import SkillExample
from lab_lib.calls.skills.bounds import kind_of
from lab_lib.calls.skills.check import call_text, read_call
from lab_lib.calls.skills.skill import NO_SKILL, NO_SKILL_TEXT, Skills, prompt_text
from lab_lib.errors import LabError

VERSION = 1  # of these words
SHOWN = 6  # examples before the question
AROUND = 40  # maximum characters before, between and after the values
WORDS = "[A-Za-zÀ-ÿ0-9 ,'-]"  # one sentence: a small model may never stop if it can begin another
INSTRUCTION = "You are the user of a voice assistant. For each call, write what the user says. The skill:"


@dataclass(frozen=True)
class Question:
    """A drawn call, the messages that ask for its utterance, and the regular expression that the utterance matches."""

    call: Call
    messages: tuple[Mapping[str, str], ...]
    pattern: str
    seed: int


def question(skill: str, skills: Skills, shown: Sequence[SkillExample], seed: int) -> Question:
    """Return a question about a skill, drawn by the seed. Raises LabError for a skill without examples to draw from."""
    if not shown:
        raise LabError(f"{skill}: no examples; a local model needs some, whose values and words it varies")
    source = random.Random(f"{seed}, {skill}")
    calls = [read_call(one.call, skills) for one in shown]
    call = _other_value(source.choice(calls), calls, skills, source)
    described = NO_SKILL_TEXT if skill == NO_SKILL else prompt_text(skills[skill])
    messages = [{"role": "system", "content": f"{INSTRUCTION}\n{described}"}]
    for one in source.sample(list(shown), min(SHOWN, len(shown))):
        messages += [{"role": "user", "content": one.call}, {"role": "assistant", "content": one.utterance}]
    messages.append({"role": "user", "content": call_text(call)})
    return Question(call, tuple(messages), pattern(said(call, skills)), seed)


def _other_value(call: Call, calls: Sequence[Call], skills: Skills, source: random.Random) -> Call:
    """Return a call in which one text or number is replaced by another example's; other values stay together."""
    if call.name == NO_SKILL:
        return call
    kinds = {one.name: one.raw for one in skills[call.name].function.parameters}
    free = [name for name in call.arguments if name in kinds and "enum" not in kinds[name]]
    free = [name for name in free if kind_of(kinds[str(name)]) != "boolean"]
    if not free:
        return call
    name = source.choice(free)
    value = source.choice([other.arguments[name] for other in calls if name in other.arguments])
    return Call(call.name, {**call.arguments, name: value})


def said(call: Call, skills: Skills) -> list[str]:
    """Return the values that a user says exactly as in the call: texts, also in lists, without options or pattern.

    Numbers may be spoken as words, and times and expressions are spoken differently from their written form.
    """
    if call.name == NO_SKILL:
        return []
    kinds = {one.name: one.raw for one in skills[call.name].function.parameters}
    found: list[str] = []
    for name, value in call.arguments.items():
        schema: Mapping[str, Any] = kinds[str(name)].get("items", kinds[str(name)])
        if kind_of(schema) == "string" and not {"enum", "pattern"} & schema.keys():
            found += value if isinstance(value, list) else [value]
    return found


def pattern(values: Sequence[str]) -> str:
    """Return the regular expression of a line of words that contains the values in order.

    >>> bool(re.fullmatch(pattern(["O'Hare"]), "Is it wet at O'Hare?")), bool(re.fullmatch(pattern(["Oslo"]), "wet?"))
    (True, False)
    """
    some = f"{WORDS}{{0,{AROUND}}}"
    if not values:
        return f"[A-Za-zÀ-ÿ0-9]{some}[.?!]?"
    between = f"[ ,](?:{some} )?"
    return f"(?:{some} )?{between.join(map(re.escape, values))}(?:[ ,']{some})?[.?!]?"


def missing(utterance: str, call: Call, skills: Skills) -> str:
    """Return the first value that is missing in an utterance, ignoring case; "" if none is missing."""
    return next((value for value in said(call, skills) if value.casefold() not in utterance.casefold()), "")
