"""Negative training examples, which a model needs in order to learn the answer `none`.

All are drawn with a seed and a key, so that the cases of one exemplar do not depend on the other exemplars.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_lib.calls.skills.skill import Skills
from lab_lib.exemplars.types import NONE, AnnotatedExemplar


@dataclass(frozen=True)
class Choice:
    """Which of the offered functions an utterance means; NONE if the right one is not offered."""

    exemplar: AnnotatedExemplar
    offered: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Pair:
    """Whether an utterance means the same as a template, or fits a description."""

    exemplar: AnnotatedExemplar
    other: str
    answer: bool


@dataclass(frozen=True)
class SlotQuestion:
    """The value of a slot in an utterance; None if the utterance has none."""

    exemplar: AnnotatedExemplar
    slot: str
    answer: tuple[Any, ...] | None


def choices(one: AnnotatedExemplar, retrieved: Sequence[str], seed: int) -> list[Choice]:
    """Return the cases of an exemplar, given retrieved functions: one with the right function, and one without it.

    An utterance without a function has one case. It and the first case of another omit a wrong function too, so that
    the number of offered functions does not reveal whether the right one is among them.
    """
    offered = tuple(dict.fromkeys(name for name in retrieved if name != NONE))
    wrong = tuple(name for name in offered if name != one.target_name)
    taken = random.Random(f"{seed} {one.key}").choice(wrong) if len(wrong) > 1 else None
    if one.target_name == NONE:
        return [Choice(one, tuple(name for name in wrong if name != taken), NONE)]
    present = [one.target_name] if one.target_name not in offered else []
    first = tuple(name for name in (*offered, *present) if name != taken)
    return [Choice(one, first, one.target_name), *([Choice(one, wrong, NONE)] if wrong else [])]


def template_pairs(one: AnnotatedExemplar, retrieved: Iterable[AnnotatedExemplar], most: int, seed: int) -> list[Pair]:
    """Pair an utterance with templates: its own (true), and at most `most` retrieved ones per answer."""
    others = [other for other in retrieved if other.key != one.key and other.template != one.template]
    drawn = _drawn([Pair(one, other.template, other.target_name == one.target_name) for other in others], most, seed)
    return [Pair(one, one.template, True), *drawn] if one.target_name != NONE else [p for p in drawn if not p.answer]


def description_pairs(
    one: AnnotatedExemplar, functions: Skills, retrieved: Iterable[str], most: int, seed: int
) -> list[Pair]:
    """Pair an utterance with descriptions: that of its function (true), and at most `most` of others."""
    names = [name for name in dict.fromkeys(retrieved) if name in functions and name != one.target_name]
    wrong = [Pair(one, functions[name].function.description, False) for name in names]
    right = [] if one.target_name not in functions else [functions[one.target_name].function.description]
    return [*(Pair(one, text, True) for text in right), *_drawn(wrong, most, seed)]


def slot_questions(one: AnnotatedExemplar, functions: Skills) -> list[SlotQuestion]:
    """Return one question per slot of the function, including slots without a value."""
    if one.target_name == NONE:
        return []
    slots = [parameter.name for parameter in functions[one.target_name].function.parameters]
    return [SlotQuestion(one, slot, one.target_arguments.get(slot)) for slot in slots]


def left_out(
    exemplars: Iterable[AnnotatedExemplar], families: Iterable[str]
) -> tuple[list[AnnotatedExemplar], list[AnnotatedExemplar]]:
    """Return (exemplars of other families, exemplars of the left-out families: the third kind of none)."""
    away = set(families)
    rows = list(exemplars)
    return (
        [one for one in rows if one.provenance.family not in away],
        [one for one in rows if one.provenance.family in away],
    )


def nones_by_kind(
    nones: Iterable[AnnotatedExemplar], away: Iterable[AnnotatedExemplar], most: int, seed: int
) -> Mapping[str, list[AnnotatedExemplar]]:
    """Return {kind of none: at most `most` utterances}: easy, hard, and from families that are left out."""
    rows = list(nones)
    kinds = {kind: [one for one in rows if one.provenance.kind == kind] for kind in ("easy", "hard")}
    kinds["family left out"] = list(away)
    return {kind: random.Random(f"{seed} {kind}").sample(own, min(most, len(own))) for kind, own in kinds.items()}


def _drawn(pairs: Sequence[Pair], most: int, seed: int) -> list[Pair]:
    """Return at most `most` pairs per answer, in their original order."""
    kept: set[int] = set()
    for answer in (True, False):
        places = [place for place, pair in enumerate(pairs) if pair.answer is answer]
        key = f"{seed} {pairs[0].exemplar.key} {answer}" if pairs else ""
        kept |= set(random.Random(key).sample(places, min(most, len(places))))
    return [pair for place, pair in enumerate(pairs) if place in kept]
