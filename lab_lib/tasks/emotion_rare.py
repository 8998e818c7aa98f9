"""Draw training dialogues with rare emotions more often, and count the replies of each emotion that a run learns from.

In DailyDialog's train 82 % of the assistant's replies are neutral and 52 of 41,637 have fear. The assistant is the
second speaker only by our choice: without its first utterance a dialogue has the other speaker's utterances as replies.
This is a shifted dialogue; with these, 123 replies have fear.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lab_lib.corpora.dailydialog.types import EMOTIONS, Talk
from lab_lib.prompts.encode import Example
from lab_lib.tasks.learning import Learning

RARE = EMOTIONS[1:]  # all but neutral


class DrawsEmotions(Learning):
    """The part of the task emotion that chooses what is learned."""

    config: Any
    data: Any
    talks: Any

    def training_items(self, items: Sequence[Talk], seed: int) -> Sequence[Talk]:
        """Return as many dialogues as `items`, with the share `task.rare_emotions` drawn as `draw_rare` does."""
        return draw_rare(items, self.config.rare_emotions, seed) if self.config.rare_emotions else items

    def learned_line(self, examples: Sequence[Example]) -> str:
        """Return how many replies of each emotion all steps learn from, and how many of them are different."""
        talks = {talk.key: talk for item in self.talks.splits[self.data.train] for talk in both_ways(item)}
        replies = Counter(
            (example.key, turn) for example in examples for turn in range(example.first, example.last + 1)
        )
        return reply_line({(key, turn): talks[key].turns[turn][1].emotion for key, turn in replies}, replies)


def reply_line(emotions: Mapping[Any, str], replies: Mapping[Any, int]) -> str:
    """Return one line about replies: the emotion of each, and how often it is learned.

    >>> reply_line({"a": "neutral", "b": "fear", "c": "fear"}, {"a": 2, "b": 3, "c": 1})
    'replies in all steps (different ones): neutral 2 (1), fear 4 (2)'
    """
    every, different = Counter[str](), Counter(emotions.values())
    for reply, count in replies.items():
        every[emotions[reply]] += count
    counts = ", ".join(f"{emotion} {every[emotion]} ({different[emotion]})" for emotion in EMOTIONS if every[emotion])
    return f"replies in all steps (different ones): {counts}"


def both_ways(talk: Talk) -> list[Talk]:
    """Return a dialogue, and the shifted one if it has a reply."""
    return [talk, *([replace(talk, key=f"{talk.key} shifted", said=talk.said[1:])] if len(talk.said) > 2 else [])]


def draw_rare(talks: Sequence[Talk], share: float, seed: int) -> list[Talk]:
    """Return as many dialogues as there are: a share for replies with one of six emotions, the rest drawn evenly.

    The share has equally many replies of each emotion but neutral, those of shifted dialogues among them; all replies
    with an emotion are drawn before one is drawn again. A dialogue ends with the reply for which it was drawn. The rest
    is drawn without repetition, and is neither shifted nor cut.
    """
    rng, found = random.Random(seed), list[Talk]()
    every = [one for talk in talks for one in both_ways(talk)]
    for emotion in RARE:
        having = [until(talk, turn) for talk in every for turn, (_, said) in enumerate(talk.turns)
                  if said.emotion == emotion]  # fmt: skip
        count, pile = round(share * len(talks) / len(RARE)) if having else 0, list[Talk]()
        while len(pile) < count:
            pile += rng.sample(having, len(having))
        found += pile[:count]
    return [*found, *rng.sample(list(talks), max(0, len(talks) - len(found)))]


def until(talk: Talk, turn: int) -> Talk:
    """Return a dialogue until the reply of a turn, counted from 0. The turns that remain keep their numbers."""
    return replace(talk, said=talk.said[: 2 * turn + 2])
