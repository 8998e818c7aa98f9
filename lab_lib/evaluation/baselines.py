"""The rows every table of replies needs beside a system: gold replies, random replies, the majority baseline.

They are the bounds of a score: a system below the trivial rows has learned nothing, and even the gold replies do not
reach 100. Each function returns a prediction mapping without states, so gold states are used.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.types import Dialogue
from lab_lib.errors import LabError

Replies = dict[str, list[dict[str, str]]]


def gold_replies(dialogues: Iterable[Dialogue]) -> Replies:
    """Return the delexicalised system replies of some dialogues: BLEU is 100, Inform and Success are not."""
    return {d.key: [{"response": delexicalise(turn)} for turn in d.system_turns] for d in dialogues}


def random_replies(dialogues: Iterable[Dialogue], source: Iterable[Dialogue], seed: int = 0) -> Replies:
    """Return for each system turn, in order, a delexicalised system reply drawn from the dialogues of `source`."""
    pool, draw = _replies(source), random.Random(seed)
    return {d.key: [{"response": draw.choice(pool)} for _ in d.system_turns] for d in dialogues}


def most_frequent_reply(dialogues: Iterable[Dialogue], source: Iterable[Dialogue]) -> Replies:
    """Return for each system turn the most frequent delexicalised reply of `source`, the first on ties."""
    ((reply, _),) = Counter(_replies(source)).most_common(1)
    return {d.key: [{"response": reply} for _ in d.system_turns] for d in dialogues}


def _replies(source: Iterable[Dialogue]) -> list[str]:
    """Return all delexicalised system replies, or raise LabError if there are none."""
    replies = [delexicalise(turn) for dialogue in source for turn in dialogue.system_turns]
    if not replies:
        raise LabError("trivial baselines: the dialogues to draw from have no system reply")
    return replies
