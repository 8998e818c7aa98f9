"""Which values of a call a request does not say: a model, and even more a grammar, may invent them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.calls.call import Call, literal
from lab_lib.calls.examples.skeleton import NUMBER_WORDS
from lab_lib.calls.skills.bounds import kind_of
from lab_lib.calls.skills.lark import accepts_times
from lab_lib.calls.skills.skill import Skill
from lab_lib.speech.said_amounts import amounts_said, reads_amounts

LETTERS = 4  # of a word that have to agree: `lights` says `light`


def unsaid(call: Call, utterance: str, skill: Skill, numbers: bool) -> list[str]:
    """Return the parameters whose values do not stand in the words of an utterance.

    A required text is not said if none of its words is. A number or a time of the day is not said if the utterance says
    others; a required one also if it says none. Without text2num only the second is noticed. With `numbers`, required
    options have to be said too.
    """
    found = list[str]()
    for one in skill.function.parameters:
        if one.name in call.arguments:
            value, required = call.arguments[one.name], one.name in skill.function.required
            said = not required or _said(value, utterance, one.raw, numbers)
            if not said or not _counted(value, one.name, one.raw, utterance, required):
                found.append(one.name)
    return found


def _said(value: Any, utterance: str, schema: Mapping[str, Any], numbers: bool) -> bool:
    """Return whether a required value is said; of a number or a time, only whether there is any number."""
    if isinstance(value, list):
        return all(_said(one, utterance, schema["items"], numbers) for one in value)
    words, spoken = words_of(utterance), words_of(str(value))
    if isinstance(value, bool) or ("enum" in schema and not numbers):
        return True
    if not spoken:
        return str(value) in utterance
    if kind_of(schema) != "string" or re.search(r"\d", str(value)):
        return not numbers or _has_numbers(utterance)
    return any(word[:LETTERS] in "".join(words) for word in spoken)


def _counted(value: Any, name: str, schema: Mapping[str, Any], utterance: str, required: bool) -> bool:
    """Return whether a number or a time is among those that were said; other values are not looked at.

    Where none is said, an optional one may have other words (`full brightness`), and a required one a few (`a pound`).
    """
    if isinstance(value, list):
        return all(_counted(one, name, schema["items"], utterance, required) for one in value)
    kind = kind_of(schema)
    numeric = kind in ("integer", "number") and "enum" not in schema
    if not (numeric or (kind == "string" and accepts_times(schema))):
        return True
    if not reads_amounts():
        return not required or _has_numbers(utterance)
    amounts = amounts_said(utterance)
    choice: Sequence[Any] = amounts.times
    if numeric:
        choice = amounts.minutes if "minutes" in name else amounts.numbers
    perhaps = amounts.perhaps if numeric and "minutes" not in name else ()
    return value in choice if choice else not required or value in perhaps


def _has_numbers(utterance: str) -> bool:
    return any(word in NUMBER_WORDS or re.search(r"\d", word) for word in words_of(utterance))


def mentions(text: str, value: Any) -> bool:
    """Return whether a text says some of a value: one of its longer words, all of it, or one of its numbers.

    >>> mentions("for five minutes", 5), mentions("in the kitchen", "kitchen"), mentions("at seven", "19:00")
    (True, True, True)
    >>> mentions("all of it by eleven", "(8+5)*11"), mentions("turn it on", True)
    (True, False)
    """
    if isinstance(value, bool):
        return False
    if reads_amounts():
        amounts = amounts_said(text)
        numbers = {float(figure) for figure in re.findall(r"\d+(?:\.\d+)?", str(value))}
        if value in amounts.times or numbers & {*amounts.numbers, *amounts.minutes, *amounts.perhaps}:
            return True
    words, spoken = words_of(text), words_of(str(value))
    long = [word for word in spoken if len(word) >= LETTERS]
    return any(word[:LETTERS] in "".join(words) for word in long) or f" {' '.join(spoken)} " in f" {' '.join(words)} "


def is_named(skill: Skill, utterance: str) -> bool:
    """Return whether an utterance has a word of a skill's name: `set a timer` names `set_timer`."""
    names = [word for word in skill.name.casefold().split("_") if len(word) >= LETTERS]
    return any(name in "".join(words_of(utterance)) for name in names)


def question(skill: Skill, missing: Sequence[str]) -> str:
    """Return the question for arguments that were not said, with the options or the limits of a single one."""
    parameters = {one.name: one.raw for one in skill.function.parameters}
    choice = choices(parameters[missing[0]]) if len(missing) == 1 else ""
    names = " and ".join(f"'{name}'" for name in missing)
    return f"What should {names} of {skill.name} be?{f' ({choice})' if choice else ''}"


def choices(schema: Mapping[str, Any]) -> str:
    """Return the options or the limits of a parameter, "" where it has neither.

    >>> choices({"type": "integer", "minimum": 1, "maximum": 9}), choices({"type": "number", "minimum": 0})
    ('1 to 9', 'at least 0')
    """
    if "enum" in schema:
        return ", ".join(literal(option) for option in schema["enum"] if option is not None)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{low} to {high}"
    return f"at least {low}" if low is not None else f"at most {high}" if high is not None else ""


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case."""
    return re.findall(r"\w+", text.casefold())
