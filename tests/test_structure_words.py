"""Typical words: the published formula by hand, and what it does with frequent and rare words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lab_lib.corpora.types import Dialogue, Turn
from lab_lib.structure.utterances import utterances
from lab_lib.structure.words import representative_words, words


def said(*texts: str):
    return utterances([Dialogue("D", (Turn("user", text),)) for text in texts])


def test_words_by_hand() -> None:
    assert words("I'm 25, rock'n'roll' [hotel name] ok_9!") == ["i'm", "rock'n'roll", "hotel", "name", "ok_9"]


def test_typical_words_of_two_clusters() -> None:
    texts = said("book table table", "table book please", "train please leave", "train train leave")
    assert representative_words(texts, np.array([0, 0, 1, 1]), 2) == [["table", "book"], ["train", "leave"]]


def test_the_formula_by_hand() -> None:
    """Two clusters: 3 x red, 1 x blue against 1 x red, 3 x blue; prior 2, so a = 1 for both words."""
    texts = said("red red red blue", "red blue blue blue")
    log_odds = math.log((3 + 1) / (4 + 2 - 3 - 1)) - math.log((1 + 1) / (4 + 2 - 1 - 1))
    z = log_odds / math.sqrt(1 / (3 + 1) + 1 / (1 + 1))
    assert z == pytest.approx(1.6008, abs=1e-4)
    assert representative_words(texts, np.array([0, 1]), 5, prior=2) == [["red"], ["blue"]]


def test_words_that_are_everywhere_alike_and_empty_words_do_not_count() -> None:
    texts = said(*["yes the train"] * 5, *["yes the hotel"] * 5)
    assert representative_words(texts, np.repeat([0, 1], 5), 5) == [["train"], ["hotel"]]


def test_a_chance_word_scores_below_a_habit() -> None:
    texts = said(*["book seats"] * 20, "book seats zebra", *["good bye"] * 20)
    assert representative_words(texts, np.array([0] * 21 + [1] * 20), 3)[0] == ["book", "seats", "zebra"]
