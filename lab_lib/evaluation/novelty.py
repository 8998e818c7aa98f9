"""How much of a model's text is copied from its training data, word for word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LONG = 8  # words; shorter utterances ("thank you, goodbye") are often equal by chance


@dataclass(frozen=True)
class Copies:
    """Shares in points of 0-100: utterances, utterances of 8 words or more, and whole dialogues found in training.

    `long` counts the utterances of 8 words or more; where there is none, their share is None.
    """

    utterances: float
    long_utterances: float | None
    dialogues: float
    long: int


def plain(text: str) -> str:
    """Return a text as it is compared: lower case, single spaces.

    >>> plain(" Thank  you,\\nBye! ")
    'thank you, bye!'
    """
    return " ".join(text.lower().split())


def copies(written: Sequence[Sequence[str]], training: Iterable[Sequence[str]]) -> Copies:
    """Count what dialogues (lists of utterances, at least one in all) share with the training dialogues."""
    known = {tuple(map(plain, dialogue)) for dialogue in training}
    sentences = {sentence for dialogue in known for sentence in dialogue}
    dialogues = [tuple(map(plain, dialogue)) for dialogue in written]
    said = [sentence for dialogue in dialogues for sentence in dialogue]
    long = [sentence for sentence in said if len(sentence.split()) >= LONG]
    return Copies(
        _share(said, sentences), _share(long, sentences) if long else None, _share(dialogues, known), len(long)
    )


def _share(items: Sequence[object], known: set) -> float:
    return 100 * sum(item in known for item in items) / len(items)
