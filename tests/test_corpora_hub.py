"""A corpus survives the way into a Hugging Face DatasetDict and back, to the last field."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tiny_corpus import write_tiny_corpus

from lab_lib.corpora.hub import from_dataset_dict, to_dataset_dict
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.types import Corpus, Dropped
from lab_lib.errors import LabError

datasets = pytest.importorskip("datasets", reason="the package `datasets` (extra `train`) is not installed")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return load_corpus(str(write_tiny_corpus(tmp_path / "tiny")))


def test_round_trip_in_memory(corpus: Corpus) -> None:
    data = to_dataset_dict(corpus)
    assert {split: len(table) for split, table in data.items()} == {"train": 2, "dev": 1, "test": 1}
    assert data["train"][0]["turns"][1]["text"] == "The Copper Kettle is cheap. A table?"
    assert from_dataset_dict(data) == corpus


def test_round_trip_through_the_disk(corpus: Corpus, tmp_path: Path) -> None:
    to_dataset_dict(corpus).save_to_disk(str(tmp_path / "saved"))
    assert from_dataset_dict(datasets.load_from_disk(str(tmp_path / "saved"))) == corpus


def test_absent_and_empty_stay_apart(corpus: Corpus) -> None:
    first, second = corpus.splits["train"]
    bare = dataclasses.replace(
        corpus,
        splits={
            "train": (dataclasses.replace(first, goal=None), dataclasses.replace(second, goal={}, services=())),
            "dev": (),
        },
        dropped=(Dropped("TIN0009.json", "a reason"),),
    )
    back = from_dataset_dict(to_dataset_dict(bare))
    assert back == bare
    assert [dialogue.goal for dialogue in back.splits["train"]] == [None, {}]
    assert back.splits["train"][0].turns[1].state is None
    assert back.splits["dev"] == ()


def test_a_foreign_dataset_is_refused() -> None:
    foreign = datasets.DatasetDict({"train": datasets.Dataset.from_dict({"text": ["a"]})})
    with pytest.raises(LabError, match="this DatasetDict was not made from a corpus of ours"):
        from_dataset_dict(foreign)


@pytest.mark.real
def test_round_trip_of_real_multiwoz(lab_data: Path) -> None:
    corpus = load_corpus("multiwoz22")
    assert from_dataset_dict(to_dataset_dict(corpus)) == corpus
