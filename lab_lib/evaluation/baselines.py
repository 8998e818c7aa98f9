"""The rows every table needs beside a system: the gold replies, random replies, the most frequent reply.

They bound what a number can mean: a system below the trivial rows has learnt nothing, and the gold replies
do not reach 100 either. Each function returns a prediction mapping without states, so gold states are used.
"""

from __future__ import annotations

import random
from collections import Counter

from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.types import Corpus, Dialogue
from lab_lib.errors import LabError, nearest

Predictions = dict[str, list[dict[str, str]]]


def gold_replies(corpus: Corpus, split: str) -> Predictions:
    """Return the delexicalised system replies of a split: BLEU is 100, Inform and Success are not."""
    return {
        dialogue.key: [{"response": delexicalise(turn)} for turn in dialogue.system_turns]
        for dialogue in _dialogues(corpus, split)
    }


def random_replies(corpus: Corpus, split: str, source_split: str, seed: int = 0) -> Predictions:
    """Return for each turn of `split` a delexicalised system reply drawn from `source_split`."""
    pool = _replies(corpus, source_split)
    draw = random.Random(seed)
    return {
        dialogue.key: [{"response": draw.choice(pool)} for _ in dialogue.system_turns]
        for dialogue in _dialogues(corpus, split)
    }


def most_frequent_reply(corpus: Corpus, split: str, source_split: str) -> Predictions:
    """Return for each turn of `split` the commonest delexicalised reply of `source_split`, first on ties."""
    ((reply, _),) = Counter(_replies(corpus, source_split)).most_common(1)
    return {
        dialogue.key: [{"response": reply} for _ in dialogue.system_turns] for dialogue in _dialogues(corpus, split)
    }


def _dialogues(corpus: Corpus, split: str) -> tuple[Dialogue, ...]:
    """Return the dialogues of a split, or raise LabError."""
    if split not in corpus.splits:
        raise LabError(f"corpus {corpus.name}: no split '{split}'{nearest(split, corpus.splits)}")
    return corpus.splits[split]


def _replies(corpus: Corpus, split: str) -> list[str]:
    """Return all delexicalised system replies of a split, or raise LabError if there are none."""
    replies = [delexicalise(turn) for dialogue in _dialogues(corpus, split) for turn in dialogue.system_turns]
    if not replies:
        raise LabError(f"corpus {corpus.name}, split {split}: no system reply to draw from")
    return replies
