"""Which dialogues are trained on, chosen on and reported: never the same ones."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from tiny_corpus import change, write_tiny_corpus

from lab_lib.corpora.config import DataConfig
from lab_lib.errors import LabError
from lab_lib.runs.config import RunConfig, make_task
from lab_lib.tasks.splits import draw, draw_splits


@pytest.fixture
def corpus(tmp_path):
    return write_tiny_corpus(tmp_path)


def load_splits(data: DataConfig):
    task = make_task(RunConfig(data=data))
    return draw_splits(task.load(), task.text, data)


def ids(dialogues) -> list[str]:
    return [dialogue.id for dialogue in dialogues]


def test_splits_are_as_named_and_samples_are_whole_and_seeded(corpus):
    splits = load_splits(DataConfig(corpus=str(corpus)))
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (2, 1, 1)
    many = tuple(range(100))
    assert draw(many, 5, seed=1) == draw(many, 5, seed=1) != draw(many, 5, seed=2)
    assert draw(many, 5, seed=1) != many[:5] and list(draw(many, 5, seed=1)) == sorted(draw(many, 5, seed=1))
    assert draw(many, None, 0) == draw(many, 500, 0) == many


def test_settings_are_chosen_on_dev_while_test_stays_untouched(corpus):
    splits = load_splits(DataConfig(corpus=str(corpus), report="dev"))
    assert splits.reported == splits.dev != splits.test
    assert load_splits(DataConfig(corpus=str(corpus))).reported == splits.test
    held = DataConfig(corpus=str(corpus), hold_out=1, report="dev")
    assert load_splits(held).reported == load_splits(held).dev
    assert (held.report_split, DataConfig().report_split) == ("train", "test")


def test_held_out_dialogues_are_not_trained_on(corpus):
    splits = load_splits(DataConfig(corpus=str(corpus), hold_out=1))
    assert len(splits.train) == len(splits.dev) == 1 and ids(splits.train) != ids(splits.dev)


def test_a_copy_of_a_test_dialogue_is_left_out_of_training_and_said(corpus):
    """Same words in other capitals and spacing, under another id."""
    test = json.loads((corpus / "test" / "dialogues_001.json").read_text())[0]
    words = [turn["utterance"].upper().replace(" ", "  ") for turn in test["turns"]]

    def copy(dialogues):
        for turn, text in zip(dialogues[0]["turns"], words, strict=False):
            turn["utterance"] = text
        dialogues[0]["turns"] = dialogues[0]["turns"][: len(words)]

    change(corpus / "train" / "dialogues_001.json", copy)
    copied = json.loads((corpus / "train" / "dialogues_001.json").read_text())[0]["dialogue_id"]

    def fewer_acts(acts):  # the spans of the old words no longer fit
        acts[copied] = {str(n): {"dialog_act": {}, "span_info": []} for n in range(len(words))}

    change(corpus / "dialog_acts.json", fewer_acts)
    splits = load_splits(DataConfig(corpus=str(corpus)))
    assert ids(splits.leaked) == [copied] and copied not in ids(splits.train)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": "trian"}, "no split 'trian'; did you mean 'train'"),
        ({"test": "dev"}, "also used for training or for choosing"),
        ({"train": "test"}, "also used for training or for choosing"),
        ({"hold_out": 2}, "no training items left"),
        ({"train": "dev"}, "data.dev=dev"),
    ],
)
def test_splits_that_would_make_numbers_worthless_are_refused(corpus, settings, message):
    with pytest.raises(LabError, match=message):
        load_splits(DataConfig(corpus=str(corpus), **settings))


@dataclass(frozen=True)
class Thing:
    key: str
    text: str


def things(*pairs: tuple[str, str]) -> list[Thing]:
    return [Thing(key, text) for key, text in pairs]


@pytest.mark.parametrize(
    ("train", "dev", "left", "leaked"),
    [
        ([("a", "x"), ("b", "y")], [("b", "other")], ["a"], ["b"]),  # the same key, whatever the text
        ([("a", "x"), ("b", " X ")], [("c", "x")], [], ["a", "b"]),  # the same text, whatever the key
        ([("a", "x"), ("t", "new")], [("c", "z")], ["a"], ["t"]),
        ([("a", "x"), ("b", "the test")], [("t2", "THE  test")], ["a"], ["b", "t2"]),
    ],
)
def test_training_dev_and_test_share_no_key_and_no_text(train, dev, left, leaked):
    splits = {"train": things(*train), "dev": things(*dev), "test": things(("t", "the test"))}
    config = DataConfig()
    if not left:
        with pytest.raises(LabError, match="no training items left"):
            draw_splits(splits, lambda item: item.text, config)
        return
    found = draw_splits(splits, lambda item: item.text, config)
    assert [item.key for item in found.train] == left and sorted(item.key for item in found.leaked) == leaked


@pytest.mark.real
def test_copies_in_real_multiwoz_are_found(lab_data, monkeypatch):
    monkeypatch.setenv("LAB_DATA", str(lab_data))
    splits = load_splits(DataConfig("multiwoz22", train="dev", hold_out=99))
    assert sorted(ids(splits.leaked)) == ["PMUL1831.json", "PMUL4686.json"]
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (898, 99, 1000)


@pytest.mark.parametrize("settings", [{"max_train": 0}, {"max_test": -1}, {"hold_out": -2}])
def test_sets_of_no_dialogues_are_refused(settings):
    ((key, value),) = settings.items()
    with pytest.raises(LabError, match=rf"data\.{key}={value}: expected "):
        DataConfig(**settings)
