"""Trivial baselines: always none, keywords of a skill, and the call of the most similar example."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from lab_lib.calls.call import Call
from lab_lib.calls.skills.check import NONE, CallRefused, call_text, check_call
from lab_lib.calls.skills.skill import NO_SKILL, Skills
from lab_lib.evaluation.nearest import Nearest
from lab_lib.evaluation.scores import Row
from lab_lib.tasks.skills_data import SkillItem

SURE = 0.9  # least share of the training requests with a keyword that ask for its skill
OFTEN = 3  # least number of training requests with a keyword


def baseline_rows(items: Sequence[SkillItem], source: Sequence[SkillItem]) -> list[Row]:
    """Return the gold calls and the trivial rows; these are fitted on `source` alone."""
    nearest, keywords = Nearest([item.text for item in source]), Keywords(source)

    def row(name: str, kind: Any, call: Callable[[SkillItem], Call]) -> Row:
        return Row(name, kind, {item.key: [{"response": call_text(call(item))}] for item in items})

    return [
        row("gold calls", "oracle", lambda item: item.call),
        row("always none", "trivial", lambda item: NONE),
        row("keywords", "trivial", keywords.call),
        row("nearest example", "trivial", lambda item: source[nearest.place(item.text)].call),
    ]


class Keywords:
    """Calls the skill with the most keywords in the request, with the options and numbers found there; else none().

    A word is a keyword of a skill if nearly all training requests that contain it ask for that skill.
    """

    def __init__(self, source: Sequence[SkillItem]) -> None:
        seen: dict[str, Counter[str]] = {}
        for item in source:
            for word in set(_words(item.text)):
                seen.setdefault(word, Counter())[item.call.name] += 1
        likeliest = {word: (*counts.most_common(1)[0], counts.total()) for word, counts in seen.items()}
        self.skill_of = {
            word: name
            for word, (name, count, total) in likeliest.items()
            if count >= OFTEN and count >= SURE * total and name != NO_SKILL
        }

    def call(self, item: SkillItem) -> Call:
        """Return the call of a request."""
        words = _words(item.text)
        found = Counter(self.skill_of[word] for word in words if word in self.skill_of)
        name = found.most_common(1)[0][0] if found else NO_SKILL
        if name not in item.skills:
            return NONE
        try:
            return check_call(Call(name, _said(words, name, item.skills)), item.skills)
        except CallRefused:  # a required argument was not found
            return NONE


def _said(words: Sequence[str], name: str, skills: Skills) -> dict[str | None, Any]:
    """Return the arguments of a skill whose options or numbers are among some words."""
    found: dict[str | None, Any] = {}
    numbers = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 10]
    for parameter in skills[name].function.parameters:
        options = [option for option in parameter.raw.get("enum", ()) if str(option).lower() in words]
        if options:
            found[parameter.name] = options[0]
        elif parameter.type in ("integer", "float") and "enum" not in parameter.raw and numbers:
            found[parameter.name] = numbers.pop(0)
    return found


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
