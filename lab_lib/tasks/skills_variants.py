"""Data augmentation: copies of training examples with the same wording, but other values or small changes of form.

A value that a request says word for word is replaced by a value that training requests have for the same parameter:
`rain in Oslo` becomes `rain in San Diego`, in the call too. Half of the free texts are replaced by a free text of any
skill instead: `rain in two loaves of bread`, so that a model learns to copy the words of the request, not to choose
known values. No value comes from outside the training requests.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lab_lib.calls.call import Call
from lab_lib.calls.skills.check import CallRefused, check_call
from lab_lib.calls.skills.skill import NO_SKILL
from lab_lib.speech.number_words import digits_to_words
from lab_lib.tasks.skills_data import SkillItem

SWAPPED, RESHAPED = 0.8, 0.5  # probability that a value is replaced, and that the form changes
ANY_TEXT = 0.5  # share of the free texts that are replaced by one of any skill
TEXTS = ("", "texts")  # in the pool: the free texts of all skills
NUMBER = re.compile(r"(?<![\d.])\d+(?![\d.])")
Pool = Mapping[tuple[str, str], Sequence[Any]]  # (skill, parameter) -> values that requests say word for word


def known_values(items: Sequence[SkillItem]) -> Pool:
    """Return the values of the calls of some items that their requests say word for word.

    For other texts, such as 12*(3+4), return the numbers in them that are said, under `numbers of` the parameter.
    """
    found: dict[tuple[str, str], dict[Any, None]] = {}
    for item in items:
        for name, value in item.call.arguments.items():
            for part in value if isinstance(value, list) else [value]:
                if _place(part, item.utterance):
                    found.setdefault((item.call.name, str(name)), {})[part] = None
                    if name in item.skills[item.call.name].free_texts:
                        found.setdefault(TEXTS, {})[part] = None
                elif isinstance(part, str):
                    numbers = (int(number) for number in NUMBER.findall(part))
                    said = {number: None for number in numbers if _place(number, item.utterance)}
                    found.setdefault((item.call.name, f"numbers of {name}"), {}).update(said)
    return {key: list(values) for key, values in found.items()}


def copies(item: SkillItem, pool: Pool, count: int, seed: int) -> list[SkillItem]:
    """Return up to `count` copies of an item with other values or another form, all different from it and each other.

    The same seed gives the same copies, whatever other items there are.
    """
    rng = random.Random(f"{seed}/{item.key}")
    made = [_copy(item, pool, rng) for _ in range(count)]
    apart = {one.text: one for one in made if one.text != item.text}
    return list(apart.values())


def _copy(item: SkillItem, pool: Pool, rng: random.Random) -> SkillItem:
    text, arguments = item.utterance, dict(item.call.arguments)
    for name, value in item.call.arguments.items():
        known = pool.get((item.call.name, str(name)), ())
        if name in item.skills[item.call.name].free_texts and rng.random() < ANY_TEXT:
            known = pool.get(TEXTS, ())
        if known and rng.random() < SWAPPED:
            text, arguments[name] = _swapped(text, value, known, rng)
        numbers = pool.get((item.call.name, f"numbers of {name}"), ())
        if numbers and arguments[name] == value and rng.random() < SWAPPED:
            text, arguments[name] = _numbers_swapped(text, value, numbers, rng)
    if rng.random() < RESHAPED:
        text = _reshaped(text, arguments, rng)
    said = (*item.said[:-1], replace(item.said[-1], text=text))
    if item.call.name == NO_SKILL:
        return replace(item, said=said)
    try:
        return replace(item, said=said, call=check_call(Call(item.call.name, arguments), item.skills))
    except CallRefused:  # for example km to km: not a valid call
        return item


def _swapped(text: str, value: Any, known: Sequence[Any], rng: random.Random) -> tuple[str, Any]:
    """Return a request and a value (or list) in which each part that is said word for word is replaced.

    A number that is said in words is replaced by another one in words.
    """
    parts = value if isinstance(value, list) else [value]
    found = []
    for part in parts:
        said, other = _place(part, text), rng.choice(known)
        if said is None or other in found or other in parts:
            found.append(part)
            continue
        place, words = said
        text = f"{text[: place.start()]}{_said(other, words)}{text[place.end() :]}"
        found.append(other)
    return text, found if isinstance(value, list) else found[0]


def _numbers_swapped(text: str, value: str, known: Sequence[int], rng: random.Random) -> tuple[str, str]:
    """Return a request and a text such as 12*(3+4), each number that occurs once in both replaced by a known one."""
    for number in NUMBER.findall(value):
        said, other = _place(int(number), text), rng.choice(known)
        if said is None or NUMBER.findall(value).count(number) > 1 or str(other) in NUMBER.findall(value):
            continue
        place, words = said
        text = f"{text[: place.start()]}{_said(other, words)}{text[place.end() :]}"
        value = re.sub(rf"(?<![\d.]){number}(?![\d.])", str(other), value)
    return text, value


def _place(value: Any, text: str) -> tuple[re.Match[str], bool] | None:
    """Return the only match of a value in a text, and whether it is a number in words.

    None for Booleans, and for values that are not said or said more than once.
    """
    if isinstance(value, bool):
        return None
    for words in (False, True) if isinstance(value, int | float) else (False,):
        said = re.escape(_said(value, words))
        found = list(re.finditer(rf"(?<![\w.-]){said}(?![\w.-]\w)(?!\w)", text))
        if len(found) == 1:
            return found[0], words
    return None


def _said(value: Any, words: bool) -> str:
    """Return a value as a user says it; 18.0 is said as 18, or in words."""
    said = f"{value:g}" if isinstance(value, float) else str(value)
    return digits_to_words(said) if words else said


def _reshaped(text: str, arguments: Mapping[Any, Any], rng: random.Random) -> str:
    """Return a request with other final punctuation, and its first letter in another case unless a value has it."""
    bare = text.rstrip(".!?")
    text = bare + rng.choice(["", "", ".", text[len(bare) :]])
    first = text.split(maxsplit=1)[0] if text.split() else ""
    said = " ".join(str(value) for value in arguments.values())
    if first.strip(".,!?") in said or first[1:] != first[1:].lower() or first.startswith("I'") or first == "I":
        return text
    change = rng.choice([str.lower, str.upper])
    return change(text[0]) + text[1:]
