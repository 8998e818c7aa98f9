"""Requests with errors of a speech recogniser: for a share of the training requests, and for a row on test."""

from __future__ import annotations

import random
from dataclasses import replace

from lab_lib.calls.call import Call
from lab_lib.corpora.chats.types import Said
from lab_lib.speech.noise import noisy
from lab_lib.tasks.skills_data import SkillItem

SPOKEN = "spoken"  # the variant on test
HEARD = "heard"  # in its predictions: what the model read


def as_heard(item: SkillItem, seed: int, kept: tuple[str, ...] = ()) -> SkillItem:
    """Return an item whose last utterance has the errors of a recogniser, drawn by the seed and the item's key.

    Words of `kept` are not replaced. The call is not changed.
    """
    heard = noisy(item.utterance, f"{seed}, {item.key}", kept=kept)
    return replace(item, said=(*item.said[:-1], Said("user", heard)))


def as_learned(item: SkillItem, share: float, seed: int) -> SkillItem:
    """Return an item for training: a share of the training items get the errors of a recogniser.

    The words of its call's values are kept, so that no model learns to write what was not said.
    """
    drawn = item.learned and random.Random(f"{seed}, spoken, {item.key}").random() < share
    return as_heard(item, seed, texts(item.call)) if drawn else item


def texts(call: Call) -> tuple[str, ...]:
    """Return the texts among the values of a call, including those in lists."""
    values = (one for value in call.arguments.values() for one in (value if isinstance(value, list) else [value]))
    return tuple(value for value in values if isinstance(value, str))
