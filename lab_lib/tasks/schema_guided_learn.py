"""The training examples of an utterance: its function, with and without the right one on offer, and its slots."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from lab_lib.calls.schema import Parameter
from lab_lib.calls.skills.skill import Skill, Skills
from lab_lib.exemplars.negatives import choices, description_pairs, template_pairs
from lab_lib.exemplars.types import AnnotatedExemplar
from lab_lib.prompts.messages import Message, clean
from lab_lib.tasks.schema_guided_answers import NULL, Answers
from lab_lib.tasks.schema_guided_data import GuidedItem
from lab_lib.tasks.schema_guided_text import (
    Question,
    Recognised,
    Said,
    Shown,
    Style,
    function_answer,
    function_question,
    gold_slots,
    offering,
    one_said,
    said_text,
    shuffled,
    slot_questions,
)

TRUE, FALSE = "true", "false"


class Learning(Protocol):
    """The settings that decide what is trained on; see `SchemaGuidedConfig`."""

    @property
    def shuffle(self) -> bool: ...
    @property
    def without_right(self) -> float: ...
    @property
    def without_exemplars(self) -> float: ...
    @property
    def absent(self) -> int: ...
    @property
    def pairs(self) -> int: ...


class LearningStyle(Style, Learning):
    """The settings of prompts and of training examples."""


@dataclass(frozen=True)
class Case:
    """A question with its right answer; None if neither options nor utterance contain it: then it is not trained on."""

    question: Question
    answer: str | None


@dataclass(frozen=True)
class Learned:
    """The number of training questions, and of those that are left out because no allowed answer is right."""

    functions: int
    slots: int
    unsaid: int

    @classmethod
    def of(cls, found: Iterable[Case]) -> Learned:
        """Count cases."""
        every = list(found)
        slots = [case for case in every if case.question.function]
        return cls(len(every) - len(slots), len(slots), sum(case.answer is None for case in slots))

    @property
    def line(self) -> str:
        """The counts as a sentence."""
        return (
            f"learned: {self.functions} questions about functions, {self.slots - self.unsaid} about slots; "
            f"{self.unsaid} more ask for a value that is not said in these words, and are left out"
        )


def cases(
    item: GuidedItem, shown: Shown, functions: Skills, settings: LearningStyle, recognised: Recognised, seed: int
) -> Iterator[Case]:
    """Yield the training cases of one utterance; all random draws use the seed and the key of the item."""
    one, chance = item.exemplar, random.Random(f"{seed} {item.key}")
    absent, hides = chance.random() < settings.without_right, chance.random() < settings.without_exemplars
    hidden = one.target_name if hides else ""
    offers = [] if item.continues else choices(one, shown.functions, seed)
    for choice in offers if absent else offers[:1]:
        names = tuple(name for name in choice.offered if name in functions)
        offer = offering(shown, names, hidden)
        offer = shuffled(offer, f"{seed} {item.key} {choice.answer}") if settings.shuffle else offer
        asked = function_question(item.said, offer, functions, settings)
        yield Case(asked, function_answer(choice.answer, offer, settings))
    if one.target_name in functions:
        seen = offering(shown, (*shown.functions, one.target_name), hidden)
        yield from _slots(item, seen, functions[one.target_name], settings, recognised, chance)
    if settings.pairs and not item.continues:
        yield from _pairs(one, shown, functions, settings, seed)


def _slots(
    item: GuidedItem,
    shown: Shown,
    skill: Skill,
    settings: LearningStyle,
    recognised: Recognised,
    chance: random.Random,
) -> Iterator[Case]:
    """Yield the questions about slots: all that are mentioned and some others; or the one question about all slots."""
    one = item.exemplar
    asked = slot_questions(item.said, shown, skill, settings, recognised)
    silent = [q for q in asked if q.slot and not one_said(one, _parameters(q, skill)[0])]
    kept = {q.slot for q in chance.sample(silent, min(settings.absent, len(silent)))}
    for question in asked:
        if question not in silent or question.slot in kept:
            yield Case(question, gold_slots(one, skill, _parameters(question, skill), settings, recognised))


def _parameters(question: Question, skill: Skill) -> list[Parameter]:
    return [one for one in skill.function.parameters if question.slot in ("", one.name)]


def _pairs(
    one: AnnotatedExemplar, shown: Shown, functions: Skills, settings: LearningStyle, seed: int
) -> Iterator[Case]:
    """Yield questions whether an utterance means what a template or a description says."""
    found = template_pairs(one, shown.pool, settings.pairs, seed)
    found += description_pairs(one, functions, shown.functions, settings.pairs, seed)
    for pair in found:
        told = Message("system", clean(f"Is it meant? {pair.other}"), 0)
        said = Message("user", said_text(Said.of(one), {}, settings), 0)
        yield Case(Question((told, said), Answers((TRUE, FALSE))), TRUE if pair.answer else FALSE)


def gold_answer(
    one: AnnotatedExemplar,
    target: str,
    question: Question,
    shown: Shown,
    functions: Skills,
    style: Style,
    recognised: Recognised,
) -> str:
    """Return the right answer to a question about an utterance; NULL if no allowed answer is right."""
    if not question.function:
        return function_answer(target, shown, style)
    skill = functions[question.function]
    return gold_slots(one, skill, _parameters(question, skill), style, recognised) or NULL
