"""The audit counts what is there, and finds what was planted: odd spans, duplicates, leaks, drops."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tiny_corpus import change, write_tiny_corpus

from lab_lib.corpora.audit import audit
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Corpus


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_corpus(tmp_path / "tiny")


def _table(corpus: Corpus, **options: Any) -> dict[str, tuple[str, ...]]:
    return {row[0].strip(): row[1:] for row in audit(corpus, **options).rows()}


def test_counts_of_a_clean_corpus(folder: Path) -> None:
    result = audit(load_corpus(str(folder)))
    train, dev, test = result.splits
    assert (train.dialogues, train.user_turns, train.system_turns) == (2, 3, 3)
    assert (dev.dialogues, dev.words) == (1, 21)
    assert (train.spans, train.placeholders, test.placeholders) == (16, 7, 4)
    assert (train.with_goal, train.overlapping, train.dontcare, train.other_words) == (2, 0, 0, 0)
    assert result.placeholders["name"] == 2 and sum(result.placeholders.values()) == 13
    assert result.unmapped == {} and result.leaks == () and result.duplicates == () and result.dropped == {}
    assert (train.leaked, train.shared_replies) == (None, None)
    assert (test.leaked, test.shared_openings, test.shared_replies) == (0, 0.0, 0.0)
    assert result.notes()[-2:] == ["leakage: none", "dropped: nothing"]


def test_spans_that_are_skipped_unknown_or_other_words_are_counted(folder: Path) -> None:
    def edit(acts: Any) -> None:
        # "The Copper Kettle is cheap. A table?"
        acts["TIN0001.json"]["1"]["span_info"] = [
            ["A", "name", "the copper kettle", 4, 17],
            ["A", "food", "kettle", 11, 17],
            ["A", "rating", "cheap", 21, 26],
            ["A", "area", "dontcare", 28, 29],
        ]

    change(folder / "dialog_acts.json", edit)
    result = audit(load_corpus(str(folder)))
    train = result.splits[0]
    assert (train.other_words, train.overlapping, train.dontcare, train.unmapped) == (1, 1, 1, 1)
    assert result.unmapped == {"rating": 1}
    assert "unmapped slots: rating 1" in result.notes()


def test_unmapped_is_what_the_scorer_does_not_know(folder: Path) -> None:
    result = audit(load_corpus(str(folder)), known_slots=["name", "phone", "area"])
    assert set(result.unmapped) == {"pricerange", "ref", "trainid", "leaveat", "price", "type", "address", "postcode"}


def test_duplicates_and_leaks_are_found_whatever_case_and_spaces(folder: Path) -> None:
    train = json.loads((folder / "train/dialogues_001.json").read_text())

    def copy(id: str) -> dict[str, Any]:
        dialogue = json.loads(json.dumps(train[1]))
        dialogue["dialogue_id"] = id
        dialogue["turns"][0]["utterance"] = dialogue["turns"][0]["utterance"].upper().replace(" ", "  ")
        return dialogue

    change(folder / "train/dialogues_001.json", lambda ds: ds.append(copy("TIN0101.json")))
    change(folder / "test/dialogues_001.json", lambda ds: ds.append(copy("TIN0102.json")))
    result = audit(load_corpus(str(folder)))
    assert result.duplicates == ("TIN0101.json",)
    assert result.leaks == ("TIN0102.json",)
    assert [split.leaked for split in result.splits] == [None, 0, 1]
    # One of the two first turns of test opens a dialogue of train; one of its three replies is in train.
    assert (result.splits[2].shared_openings, result.splits[2].shared_replies) == (50.0, 33.3)
    assert "LEAK: in an earlier split too: TIN0102.json" in result.notes()
    reasons = {"goal: not in data.json": 2, "spans: not in dialog_acts.json": 2}
    assert result.dropped == reasons
    assert "dropped 2 x goal: not in data.json" in result.notes()


def test_a_leak_from_dev_to_test_is_one_too(folder: Path) -> None:
    dev = json.loads((folder / "dev/dialogues_001.json").read_text())[0]
    change(folder / "test/dialogues_001.json", lambda ds: ds.append({**dev, "dialogue_id": "TIN0103.json"}))
    assert audit(load_corpus(str(folder))).leaks == ("TIN0103.json",)


def test_model_tokens_are_a_row_only_when_counted(folder: Path) -> None:
    corpus = load_corpus(str(folder))
    assert "tokens (model)" not in _table(corpus)
    assert _table(corpus, count_tokens=len)["tokens (model)"] == tuple(
        f"{sum(len(turn.text) for d in dialogues for turn in d.turns):,}" for dialogues in corpus.splits.values()
    )


def test_audit_is_plain_data(folder: Path) -> None:
    result = audit(load_corpus(str(folder)))
    assert json.loads(json.dumps(asdict(result)))["splits"][0]["dialogues"] == 2


@pytest.mark.real
def test_audit_of_real_multiwoz(lab_data: Path) -> None:
    from lab_lib.evaluation.normalise import PLACEHOLDERS

    result = audit(load_corpus("multiwoz22"), PLACEHOLDERS)
    assert [split.dialogues for split in result.splits] == [368, 999, 1000]
    assert [split.system_turns for split in result.splits] == [1823, 7365, 7372]
    assert result.unmapped == {}
    # Found in the published splits: two test dialogues are in dev word by word, and one is in test twice.
    assert result.leaks == ("PMUL1978.json", "PMUL3596.json")
    assert result.duplicates == ("PMUL1982.json",)
    assert result.dropped == {"goal: not in data.json": 46}
