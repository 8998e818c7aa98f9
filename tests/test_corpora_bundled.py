"""The bundled corpus, through the same reader and audit as any other."""

from __future__ import annotations

from collections import Counter

import pytest

from lab_lib.corpora.audit import Audit, audit
from lab_lib.corpora.delex import delexicalise, refill
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Corpus
from lab_lib.evaluation.normalise import PLACEHOLDERS


@pytest.fixture(scope="module")
def town() -> Corpus:
    return load_corpus("town")


@pytest.fixture(scope="module")
def audited(town: Corpus) -> Audit:
    return audit(town, PLACEHOLDERS)


def test_nothing_is_dropped_and_every_dialogue_has_a_goal(town: Corpus, audited: Audit) -> None:
    assert town.dropped == ()
    assert {split.split: split.dialogues == split.with_goal > 0 for split in audited.splits} == {
        "train": True,
        "dev": True,
        "test": True,
    }


def test_there_is_no_leakage(audited: Audit) -> None:
    assert audited.leaks == () and audited.duplicates == ()


def test_every_placeholder_is_known_to_the_scorer_and_every_span_is_used(audited: Audit) -> None:
    assert audited.unmapped == {}
    assert [(split.overlapping, split.dontcare) for split in audited.splits] == [(0, 0)] * 3


def test_refilling_gives_the_text_again(town: Corpus) -> None:
    turns = [turn for dialogues in town.splits.values() for dialogue in dialogues for turn in dialogue.turns]
    assert turns and all(refill(delexicalise(turn), turn) == turn.text for turn in turns)


def test_all_five_domains_are_in_every_split(town: Corpus) -> None:
    for dialogues in town.splits.values():
        domains = Counter(domain for dialogue in dialogues for domain in dialogue.goal or ())
        assert set(domains) >= {"restaurant", "hotel", "attraction", "train", "taxi"}
