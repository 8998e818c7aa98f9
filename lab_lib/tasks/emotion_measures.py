"""Measures of single replies: the emotion that a judge finds, relevance, and properties of the text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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

UNASKED = "unasked"  # marks a placeholder answer: nobody asked this system for this emotion here
WRITTEN = "template"  # what a prompt was written in, where that is not the recipe's prompt.template
OTHERS = 9  # number of other replies and histories among which a reply's own must be the nearest
# What begins the next turn, or a tag of ours, in a reply of a model that does not stop.
TAG = r"(?:[UC]_)?EMOTION\]"
TURN = re.compile(rf"\n|\b(?:user|bot)>|\[/?INST\]|\[/{TAG}|\[{TAG}(?:\s*(?:{'|'.join(EMOTIONS)})\b)?")


@dataclass(frozen=True)
class Replies:
    """All replies in one order: their dialogue, the emotion asked for, and whether that is the corpus's.

    `ran_on` counts those of which only the first turn is in `texts`, `written` names the template of the prompts if it
    is not the recipe's, `gone` counts the emotions that nobody was asked for.
    """

    texts: list[str]
    talks: list[Talk]
    place: np.ndarray  # of the dialogue
    asked: np.ndarray  # numbers of EMOTIONS
    gold: np.ndarray  # whether the corpus has that emotion there
    ran_on: int = 0
    written: str = ""
    gone: Mapping[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """Whether each emotion is asked for in all dialogues or in none, and more than one is."""
        counts = np.bincount(self.asked, minlength=len(EMOTIONS))
        return bool(np.isin(counts, (0, len(self.talks))).all() and (counts > 0).sum() > 1)


def first_turn(text: str) -> str:
    """Return the first line of a reply, without what a model goes on to write for the next turns.

    A judge would read the emotion out of a tag that an untuned model writes.

    >>> first_turn("I'm sorry to hear it.\\nuser> [EMOTION] sadness [/EMOTION] Thank you."), first_turn("[/INST] Hi! ")
    ("I'm sorry to hear it.", 'Hi!')
    """
    return next((part.strip() for part in TURN.split(text) if part.strip()), "")


def gather(talks: Sequence[Talk], predictions: Predictions, asked: Mapping[str, Sequence[str]]) -> Replies:
    """Return the replies to some dialogues in one order, each cut to its first turn. Raises LabError as
    `score_replies`."""
    rows: list[tuple[str, int, int, bool]] = []
    ran_on, written, gone = 0, "", Counter[str]()
    for place, talk in enumerate(talks):
        given, wanted = predictions[talk.key], asked[talk.key]
        if len(given) != len(wanted):
            raise LabError(f"{talk.key}: {len(given)} predicted replies, expected {len(wanted)}: {', '.join(wanted)}")
        for answer, emotion in zip(given, wanted, strict=True):
            if answer.get(UNASKED):
                gone[emotion] += 1
                continue
            if answer.get("emotion", emotion) != emotion:
                raise LabError(f"{talk.key}: a reply with {answer['emotion']!r:.40} where {emotion} is asked for")
            text = first_turn(answer["response"])
            ran_on += text != answer["response"].strip()
            written = answer.get(WRITTEN, written)
            rows.append((text, place, EMOTIONS.index(emotion), emotion == talk.turns[-1][1].emotion))
    if not rows:
        raise LabError("emotion: no reply to score")
    texts, places, numbers, gold = (list(column) for column in zip(*rows, strict=True))
    arrays = np.array(places), np.array(numbers), np.array(gold)
    return Replies(texts, list(talks), *arrays, ran_on=ran_on, written=written, gone=gone)


class Remembered:
    """A sentence embedder that reads each text once; its vectors have length 1."""

    def __init__(self, embedder: Any) -> None:
        self.embedder = embedder
        self.known: dict[str, np.ndarray] = {}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors (texts, dimensions)."""
        if new := [text for text in dict.fromkeys(texts) if text not in self.known]:
            how = {"normalize_embeddings": True, "show_progress_bar": False, "convert_to_numpy": True}
            self.known |= zip(new, self.embedder.encode(new, **how).astype(np.float64), strict=True)
        return np.stack([self.known[text] for text in texts])


@dataclass(frozen=True)
class Verdicts:
    """The numbers of the emotions that a judge finds in replies.

    `natural` keeps the priors of the corpus; `even` is for requests in which each emotion is equally frequent.
    """

    natural: np.ndarray
    even: np.ndarray


def judged_by(found: Found, replies: Replies) -> Verdicts:
    """Return what a judge finds in each reply; a judge that scores reads no history."""
    rows = found.judge.probabilities(replies.texts)
    return Verdicts(rows.argmax(axis=1), even(rows, found.card["priors"]).argmax(axis=1))


def pair(values: np.ndarray, counted: np.ndarray | None = None) -> np.ndarray:
    """Return (value, 1) for each reply, (0, 0) where it is not counted."""
    ones = np.ones(len(values)) if counted is None else counted.astype(float)
    return np.column_stack([values * ones, ones])


def by_request(asked: np.ndarray, right: np.ndarray, counted: np.ndarray | None = None) -> np.ndarray:
    """Return for each reply its 14 counts: whether it is right, and whether it is counted, by the emotion asked for."""
    rows = np.eye(len(EMOTIONS))[asked] * (1 if counted is None else counted[:, None])
    return np.hstack([rows * right[:, None], rows])


def summed(place: np.ndarray, count: int, rows: np.ndarray) -> np.ndarray:
    """Return the sums of the rows of each dialogue."""
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, place, rows)
    return sums


@dataclass(frozen=True)
class Nearness:
    """How near each reply is to its dialogue: nearer to the corpus's reply there than to OTHERS of other dialogues;
    nearer to its own history than to OTHERS; and its cosine with the corpus's reply."""

    own_reply: np.ndarray
    own_history: np.ndarray
    similarity: np.ndarray


def nearness(replies: Replies, embedder: Any) -> Nearness:
    """Return how near replies are to their dialogues, by an embedder's vectors."""
    said = embedder.encode(replies.texts)
    golds = [talk.turns[-1][1].text for talk in replies.talks]
    pasts = [" ".join(one.text for one in history(talk)[-2:]) for talk in replies.talks]
    return Nearness(
        _own_is_nearest(said, replies.place, golds, embedder),
        _own_is_nearest(said, replies.place, pasts, embedder),
        np.sum(said * embedder.encode(golds)[replies.place], axis=1),
    )


def _own_is_nearest(said: np.ndarray, place: np.ndarray, texts: Sequence[str], embedder: Any) -> np.ndarray:
    """Return for each reply whether the text of its own dialogue is nearer than those of the next OTHERS dialogues.

    All systems meet the same ones. A dialogue with the same text is passed over: it cannot be told from the own one.
    """
    vectors = embedder.encode(texts)
    others = [
        [other for other in (*range(own + 1, len(texts)), *range(own)) if texts[other] != texts[own]][:OTHERS]
        for own in range(len(texts))
    ]
    best = [max((float(vectors[other] @ one) for other in others[own]), default=-1.0)
            for own, one in zip(place, said, strict=True)]  # fmt: skip
    return np.sum(said * vectors[place], axis=1) > np.array(best)


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
