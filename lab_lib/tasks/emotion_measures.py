"""Measures of single replies: the emotion that a judge finds, relevance, and properties of the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from lab_lib.corpora.dailydialog.leaks import words
from lab_lib.corpora.dailydialog.types import EMOTIONS, Talk
from lab_lib.errors import LabError
from lab_lib.evaluation.judges.card import even
from lab_lib.evaluation.judges.store import Found
from lab_lib.evaluation.scores import Predictions
from lab_lib.tasks.emotion_text import history

UNASKED = "unasked"  # marks a placeholder answer: the gold reply where another emotion is requested
OTHERS = 9  # number of histories among which a reply's own must be the nearest


@dataclass(frozen=True)
class Replies:
    """All replies in one order: their dialogue, the emotion asked for, and whether that is the corpus's."""

    texts: list[str]
    talks: list[Talk]
    place: np.ndarray  # of the dialogue
    asked: np.ndarray  # numbers of EMOTIONS
    gold: np.ndarray  # whether the corpus has that emotion there


def gather(talks: Sequence[Talk], predictions: Predictions, asked: Mapping[str, Sequence[str]]) -> Replies:
    """Return the replies to some dialogues in one order. Raises LabError as `score_replies`."""
    rows: list[tuple[str, int, int, bool]] = []
    for place, talk in enumerate(talks):
        given, wanted = predictions[talk.key], asked[talk.key]
        if len(given) != len(wanted):
            raise LabError(f"{talk.key}: {len(given)} predicted replies, expected {len(wanted)}: {', '.join(wanted)}")
        for answer, emotion in zip(given, wanted, strict=True):
            if answer.get(UNASKED):
                continue
            if answer.get("emotion", emotion) != emotion:
                raise LabError(f"{talk.key}: a reply with {answer['emotion']!r:.40} where {emotion} is asked for")
            rows.append((answer["response"], place, EMOTIONS.index(emotion), emotion == talk.turns[-1][1].emotion))
    texts, places, numbers, gold = (list(column) for column in zip(*rows, strict=True))
    return Replies(texts, list(talks), np.array(places), np.array(numbers), np.array(gold))


@dataclass(frozen=True)
class Verdicts:
    """The numbers of the emotions that a judge finds in replies.

    `natural` keeps the priors of the corpus; `even` is for requests in which each emotion is equally frequent.
    """

    natural: np.ndarray
    even: np.ndarray


def judged_by(found: Found, replies: Replies) -> Verdicts:
    """Return what a judge finds in each reply."""
    context, past = found.judge.context, [history(talk) for talk in replies.talks]
    before = [" ".join(one.text for one in past[place][-context:]) for place in replies.place] if context else []
    rows = found.judge.probabilities(replies.texts, before)
    return Verdicts(rows.argmax(axis=1), even(rows, found.card["priors"]).argmax(axis=1))


def pair(values: np.ndarray, counted: np.ndarray | None = None) -> np.ndarray:
    """Return (value, 1) for each reply, (0, 0) where it is not counted."""
    ones = np.ones(len(values)) if counted is None else counted.astype(float)
    return np.column_stack([values * ones, ones])


def summed(place: np.ndarray, count: int, rows: np.ndarray) -> np.ndarray:
    """Return the sums of the rows of each dialogue."""
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, place, rows)
    return sums


def relevance(replies: Replies, embedder: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return for each reply whether its own history is the nearest of ten, and its cosine with the corpus's reply."""
    pasts = [" ".join(one.text for one in history(talk)[-2:]) for talk in replies.talks]
    golds = [talk.turns[-1][1].text for talk in replies.talks]
    every = list(dict.fromkeys([*replies.texts, *pasts, *golds]))
    vectors = embedder.encode(every, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
    found = dict(zip(every, vectors.astype(np.float64), strict=True))
    said, past, gold = (np.stack([found[text] for text in texts]) for texts in (replies.texts, pasts, golds))
    count = len(pasts)
    # The histories of the next dialogues, so that all systems meet the same ones.
    other = (replies.place[:, None] + 1 + np.arange(min(OTHERS, count - 1))) % count
    own = np.sum(said * past[replies.place], axis=1)
    best = np.einsum("rd,rod->ro", said, past[other]).max(axis=1, initial=-1.0)
    return own > best, np.sum(said * gold[replies.place], axis=1)


def repeats(text: str) -> bool:
    """Return whether three words stand twice in a text, in the same order."""
    said = words(text).split()
    runs = [tuple(said[start : start + 3]) for start in range(len(said) - 2)]
    return len(set(runs)) < len(runs)


def text_figures(texts: Sequence[str]) -> dict[str, float]:
    """Return mean length in words and the shares of different words and pairs of words in all replies."""
    said = [words(text).split() for text in texts]
    ones = [word for one in said for word in one]
    pairs = [pair for one in said for pair in pairwise(one)]
    return {
        "length": len(ones) / len(texts),
        "distinct1": 100 * len(set(ones)) / max(len(ones), 1),
        "distinct2": 100 * len(set(pairs)) / max(len(pairs), 1),
    }
