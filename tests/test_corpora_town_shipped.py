"""The corpus in the package is what the generator makes, reads without a loss, and can be scored honestly."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from lab_lib.corpora.audit import audit
from lab_lib.corpora.delex import applied_spans, delexicalise, refill
from lab_lib.corpora.load import TOWN, load_corpus
from lab_lib.corpora.town import make_town
from lab_lib.corpora.types import Corpus
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.evaluation.normalise import PLACEHOLDERS
from lab_lib.files import sha256

SPLITS = {"train": 400, "dev": 60, "test": 60}


@pytest.fixture(scope="module")
def town() -> Corpus:
    return load_corpus("town")


def test_the_generator_makes_the_shipped_files_to_the_byte(tmp_path: Path) -> None:
    make_town((400, 60, 60), 1, tmp_path)
    made, shipped = (
        {str(p.relative_to(folder)): sha256(p) for p in folder.rglob("*") if p.is_file()} for folder in (tmp_path, TOWN)
    )
    assert shipped.pop("README.md")
    assert shipped == made


def test_it_reads_without_a_loss(town: Corpus) -> None:
    assert {split: len(dialogues) for split, dialogues in town.splits.items()} == SPLITS
    assert not town.dropped
    assert {domain: len(rows) for domain, rows in town.database.items()} == {
        "restaurant": 40,
        "hotel": 20,
        "attraction": 30,
        "train": 224,
        "taxi": 1,
    }


def test_the_audit_finds_nothing(town: Corpus) -> None:
    found = audit(town, known_slots=PLACEHOLDERS)
    assert (found.duplicates, found.leaks, dict(found.unmapped), dict(found.dropped)) == ((), (), {}, {})
    assert [split.overlapping for split in found.splits] == [0, 0, 0]


def test_no_goal_is_in_two_dialogues(town: Corpus) -> None:
    goals = Counter(repr(d.goal) for dialogues in town.splits.values() for d in dialogues)
    # The normalised goal keeps less than the generator compares (it drops facts the scorer ignores): a few coincide.
    assert sum(count > 1 for count in goals.values()) < 0.02 * len(goals)


def test_refilling_gives_the_text_back(town: Corpus) -> None:
    turns = [turn for dialogues in town.splits.values() for d in dialogues for turn in d.system_turns]
    assert all(refill(delexicalise(turn), turn) == turn.text for turn in turns)
    assert sum(len(applied_spans(turn)) for turn in turns) == sum(len(turn.spans) for turn in turns) > 3000


@pytest.mark.parametrize("split", SPLITS)
def test_gold_replies_score_and_trivial_ones_do_not(split: str, town: Corpus) -> None:
    scorer = MwzScorer.from_corpus(town, split)
    gold = {d.key: [delexicalise(turn) for turn in d.system_turns] for d in town.splits[split]}
    pool = [delexicalise(turn) for d in town.splits["train"] for turn in d.system_turns]
    frequent, rng = Counter(pool).most_common(1)[0][0], random.Random(0)
    rows = {
        "gold": gold,
        "frequent": {key: [frequent] * len(replies) for key, replies in gold.items()},
        "random": {key: [rng.choice(pool) for _ in replies] for key, replies in gold.items()},
    }
    scores = {
        name: scorer.score({key: [{"response": text} for text in texts] for key, texts in row.items()}, resamples=0)
        for name, row in rows.items()
    }
    assert scores["gold"].inform >= 95 and scores["gold"].success >= 95
    assert scores["frequent"].inform < 20 and scores["frequent"].success < 5 and scores["frequent"].bleu < 10
    assert scores["random"].inform < 70 and scores["random"].success < 20 and scores["random"].bleu < 15
