"""The first rows of every table of the task emotion: the corpus's replies, and systems without a model."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from lab_lib.corpora.dailydialog.types import EMOTIONS, Talk
from lab_lib.evaluation.nearest import Nearest
from lab_lib.evaluation.scores import Predictions, Row
from lab_lib.tasks.emotion_measures import UNASKED
from lab_lib.tasks.emotion_text import history

GOLD, SPOKEN = "gold reply", "gold utterance with that emotion"
NEUTRAL, COPY, RETRIEVED = "always neutral", "copy the user", "training reply with that emotion"


def baseline_rows(
    items: Sequence[Talk], asked: Mapping[str, Sequence[str]], source: Sequence[Talk], seed: int
) -> list[Row]:
    """Return the rows, unscored. Trivial ones learn from `source` alone.

    - gold reply: the corpus's; where another emotion is asked for it counts as no answer.
    - gold utterance with that emotion: of another dialogue, so it fits no history. What a judge finds in such texts is
      the most that control can be.
    - always neutral: the reply to the nearest history among neutral ones.
    - copy the user: what the user said last, word for word.
    - training reply with that emotion: the reply to the nearest history among those with the emotion asked for, the
      strongest system without a model. `source` must not be what the judges learned from: they know those by heart.
    """
    replies = _by_emotion(source)
    nearest = {emotion: Nearest([before for before, _ in pairs]) for emotion, pairs in replies.items()}
    said = [one for talk in items for one in talk.said]
    spoken = {emotion: [one.text for one in said if one.emotion == emotion] for emotion in EMOTIONS}
    rng = random.Random(seed)

    def retrieved(talk: Talk, emotion: str) -> str:
        known = emotion if emotion in nearest else next(iter(nearest))
        return replies[known][nearest[known].place(history(talk)[-1].text)][1]

    def row(name: str, kind: str, say: Callable[[Talk, str], str]) -> Row:
        made: Predictions = {
            talk.key: [{"response": say(talk, emotion), "emotion": emotion} for emotion in asked[talk.key]]
            for talk in items
        }
        return Row(name, kind, made)  # type: ignore[arg-type]

    return [
        Row(GOLD, "oracle", {talk.key: _gold(talk, asked[talk.key]) for talk in items}),
        row(SPOKEN, "oracle", lambda talk, emotion: rng.choice(spoken[emotion] or spoken["neutral"])),
        row(NEUTRAL, "trivial", lambda talk, emotion: retrieved(talk, "neutral")),
        row(COPY, "trivial", lambda talk, emotion: history(talk)[-1].text),
        row(RETRIEVED, "trivial", retrieved),
    ]


def _gold(talk: Talk, asked: Sequence[str]) -> list[dict[str, object]]:
    reply = talk.turns[-1][1]
    given: list[dict[str, object]] = [{"response": reply.text, "emotion": emotion} for emotion in asked]
    return [answer if answer["emotion"] == reply.emotion else {**answer, UNASKED: True} for answer in given]


def _by_emotion(source: Sequence[Talk]) -> dict[str, list[tuple[str, str]]]:
    """Return {emotion: [(what was said before, reply)]} of all pairs of neighbours, whoever of the two speaks."""
    found: dict[str, list[tuple[str, str]]] = {}
    for talk in source:
        for before, reply in pairwise(talk.said):
            found.setdefault(reply.emotion, []).append((before.text, reply.text))
    return found
