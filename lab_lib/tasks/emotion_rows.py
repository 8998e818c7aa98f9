"""The first rows of every table of the task emotion: the corpus's replies, and systems without a model."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from lab_lib.corpora.dailydialog.types import Talk
from lab_lib.evaluation.nearest import Nearest
from lab_lib.evaluation.scores import Kind, Row
from lab_lib.tasks.emotion_measures import UNASKED
from lab_lib.tasks.emotion_text import history

GOLD, SPOKEN = "gold reply", "gold utterance with that emotion"
NEUTRAL, COPY, RETRIEVED = "always neutral", "copy the user", "training reply with that emotion"
CANDIDATES = 10  # histories that words find, for the embedder to choose from; all of a large corpus would take minutes


def baseline_rows(
    items: Sequence[Talk],
    asked: Mapping[str, Sequence[str]],
    source: Sequence[Talk],
    spoken: Sequence[Talk],
    seed: int,
    embedder: Any = None,
) -> list[Row]:
    """Return the rows, unscored. Trivial ones learn from `source` alone.

    A row has no answer for an emotion that its texts lack.

    - gold reply: the corpus's; where another emotion is asked for it counts as no answer.
    - gold utterance with that emotion: of another dialogue of `spoken`, so it fits no history. What a judge finds in
      such texts is the most that control can be. The judge must not have learned from `spoken`, and its confusion must
      be measured on other dialogues.
    - always neutral: the reply to the nearest history among neutral ones.
    - copy the user: what the user said last, word for word.
    - training reply with that emotion: the reply to the nearest history among those with the emotion asked for, the
      strongest system without a model. `source` must not be what the judges learned from: they know those by heart.
      Words find the CANDIDATES nearest histories; with an `embedder` its vectors choose among them.
    """
    retrieved, texts = _retriever(source, embedder), _texts(spoken)
    rng = random.Random(seed)

    def said(talk: Talk, emotion: str) -> str | None:
        known = [text for key, text in texts.get(emotion, ()) if key != talk.key]
        return rng.choice(known) if known else None

    def row(name: str, kind: Kind, say: Callable[[Talk, str], str | None]) -> Row:
        made = {talk.key: [_answer(say(talk, emotion), emotion) for emotion in asked[talk.key]] for talk in items}
        return Row(name, kind, made)

    rows = [
        row(GOLD, "oracle", lambda talk, emotion: _gold(talk, emotion)),
        row(SPOKEN, "oracle", said),
        row(NEUTRAL, "trivial", lambda talk, emotion: retrieved(talk, "neutral")),
        row(COPY, "trivial", lambda talk, emotion: history(talk)[-1].text),
        row(RETRIEVED, "trivial", retrieved),
    ]
    return [one for one in rows if any(UNASKED not in answer for given in one.predictions.values() for answer in given)]


def _answer(text: str | None, emotion: str) -> dict[str, object]:
    """Return an answer, or the placeholder for none."""
    return {"response": text or "", "emotion": emotion, **({UNASKED: True} if text is None else {})}


def _gold(talk: Talk, emotion: str) -> str | None:
    reply = talk.turns[-1][1]
    return reply.text if emotion == reply.emotion else None


def _texts(talks: Sequence[Talk]) -> dict[str, list[tuple[str, str]]]:
    """Return {emotion: (key of the dialogue, text) of each utterance with it}."""
    found: dict[str, list[tuple[str, str]]] = {}
    for talk in talks:
        for one in talk.said:
            found.setdefault(one.emotion, []).append((talk.key, one.text))
    return found


def _retriever(source: Sequence[Talk], embedder: Any) -> Callable[[Talk, str], str | None]:
    """Return the function that finds the reply of `source` with an emotion for a dialogue, each only once."""
    replies = _by_emotion(source)
    nearest = {emotion: Nearest([before for before, _ in pairs]) for emotion, pairs in replies.items()}

    @cache
    def find(text: str, emotion: str) -> str | None:
        if emotion not in nearest:
            return None
        places = nearest[emotion].places(text, CANDIDATES if embedder is not None else 1)
        if len(places) > 1:
            near = embedder.encode([text, *(replies[emotion][place][0] for place in places)])
            return replies[emotion][places[int((near[1:] @ near[0]).argmax())]][1]
        return replies[emotion][places[0]][1]

    return lambda talk, emotion: find(history(talk)[-1].text, emotion)


def _by_emotion(source: Sequence[Talk]) -> dict[str, list[tuple[str, str]]]:
    """Return {emotion: [(what was said before, reply)]} of all pairs of neighbours, whoever of the two speaks."""
    found: dict[str, list[tuple[str, str]]] = {}
    for talk in source:
        for before, reply in pairwise(talk.said):
            found.setdefault(reply.emotion, []).append((before.text, reply.text))
    return found
