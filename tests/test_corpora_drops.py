"""Ids that mean the same are joined, and everything that the MultiWOZ reader leaves out is counted by reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_corpus import change, write_tiny_corpus

from lab_lib.corpora.delex import delexicalise
from lab_lib.corpora.drops import drop_lines
from lab_lib.corpora.load import load_corpus
from lab_lib.errors import LabError
from lab_lib.evaluation.baselines import gold_replies
from lab_lib.evaluation.mwz import MwzScorer

SPELLINGS: list[Callable[[str], str]] = [str.upper, str.lower, lambda id: id.removesuffix(".json"), str.swapcase]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_corpus(tmp_path / "tiny")


def renamed(spell: Callable[[str], str]) -> Callable[[dict[str, Any]], None]:
    """An edit that spells every key of a file in another way."""

    def edit(records: dict[str, Any]) -> None:
        for id in list(records):
            records[spell(id)] = records.pop(id)

    return edit


@pytest.mark.parametrize("name", ["dialog_acts.json", "data.json"])
@pytest.mark.parametrize("spell", SPELLINGS)
def test_ids_that_differ_in_case_or_ending_alone_are_joined(name: str, spell: Callable[[str], str], folder: Path):
    before = load_corpus(str(folder))
    change(folder / name, renamed(spell))
    after = load_corpus(str(folder))
    assert after.splits == before.splits and drop_lines(after) == []
    assert delexicalise(after.splits["test"][0].turns[1]) == "At the [name] in the [area]."


@pytest.mark.parametrize("name", ["dialog_acts.json", "data.json"])
@pytest.mark.parametrize("other", ["TIN0002", "tin0002.json", "Tin0002.JSON"])
def test_two_spellings_of_one_id_are_refused(name: str, other: str, folder: Path) -> None:
    change(folder / name, lambda records: records.update({other: records["TIN0002.json"]}))
    with pytest.raises(LabError, match=rf"{name}: 'TIN0002.json' and '{other}' are the same id"):
        load_corpus(str(folder))


def pop_spans(acts: dict[str, Any]) -> None:
    for id, turn in (("TIN0001.json", "1"), ("TIN0004.json", "3")):
        del acts[id][turn]["span_info"]


def shift(acts: dict[str, Any]) -> None:
    for turns in acts.values():
        for turn in turns.values():
            turn["span_info"] = [[*row[:3], row[3] - 1, row[4] - 1] for row in turn["span_info"] if row[3]]


DROPS: list[tuple[str, str, Callable[[Any], Any], str]] = [
    ("acts", "dialog_acts.json", lambda acts: [acts.pop(id) for id in ("TIN0001.json", "TIN0003.json")],
     "left out 2 x spans: not in dialog_acts.json (train 1, dev 1), the first in TIN0001.json"),
    ("turn of acts", "dialog_acts.json", pop_spans,
     "left out 2 x spans: dialog_acts.json has no span_info of 1 turns (train 1, test 1), the first in TIN0001.json"),
    ("goal", "data.json", lambda data: data.pop("TIN0004.json"),
     "left out 1 x goal: not in data.json (test 1), in TIN0004.json"),
    ("length", "data.json", lambda data: [data[id]["log"].pop() for id in ("TIN0001.json", "TIN0002.json")],
     "left out 2 x goal: data.json has 3 turns, the dialogue 4 (train 2), the first in TIN0001.json"),
    ("state", "test/dialogues_001.json", lambda d: d[0]["turns"][2].update(frames=[]),
     "left out 1 x state: 1 user turns have none (test 1), in TIN0004.json"),
    ("all states", "train/dialogues_001.json", lambda d: [turn.pop("frames") for turn in d[0]["turns"]],
     "left out 1 x state: 2 user turns have none (train 1), in TIN0001.json"),
    ("spans", "dialog_acts.json", shift, "the first in TIN0001.json, turn 0: ' Britis' for food='british'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "edit", "line"), [drop[1:] for drop in DROPS], ids=[drop[0] for drop in DROPS])
def test_what_is_left_out_is_one_line_a_reason(name: str, edit: Callable[[Any], Any], line: str, folder: Path) -> None:
    change(folder / name, edit)
    (found,) = drop_lines(load_corpus(str(folder)))
    assert found.endswith(line)


def test_spans_count_in_replies_when_words_differ_and_in_user_turns_when_they_cut_a_word(folder: Path) -> None:
    def other_words(acts: dict[str, Any]) -> None:
        acts["TIN0001.json"]["0"]["span_info"][0][2] = "english"  # a paraphrase in what the user says
        acts["TIN0001.json"]["1"]["span_info"][1][2] = "inexpensive"  # `cheap`, in a reply

    change(folder / "dialog_acts.json", other_words)
    assert drop_lines(load_corpus(str(folder))) == [
        "spans that do not cover their value: 1 of 26 (train 1); "
        "the first in TIN0001.json, turn 1: 'cheap' for pricerange='inexpensive'"
    ]


def test_a_last_user_turn_is_told_since_it_gets_no_reply(folder: Path) -> None:
    change(folder / "test/dialogues_001.json", lambda dialogues: dialogues[0]["turns"].pop())
    change(folder / "dialog_acts.json", lambda acts: acts["TIN0004.json"].pop("3"))
    change(folder / "data.json", lambda data: data["TIN0004.json"]["log"].pop())
    assert drop_lines(load_corpus(str(folder))) == [
        "left out 1 x turn: the user's last one, which gets no reply (test 1), in TIN0004.json"
    ]


def test_files_and_folders_passed_over_by_name_are_told(folder: Path) -> None:
    shutil.copytree(folder / "dev", folder / "validation")
    shutil.copy(folder / "train/dialogues_001.json", folder / "train/dialogue_2.json")
    (folder / "train/._dialogues_001.json").write_text("")
    shutil.rmtree(folder / "db")
    (folder / "data.json").unlink()
    assert drop_lines(load_corpus(str(folder))) == [
        "left out 1 x file: not called dialogues_NNN.json, in train/dialogue_2.json",
        "left out 1 x folder: not called train, dev or test, in validation",
        "left out 1 x goals, bookings and database: no data.json, in data.json",
    ]


def parts(edit: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """An edit of the goal of each domain."""

    def of_all(records: dict[str, Any]) -> None:
        for record in records.values():
            for domain, part in record["goal"].items():
                if domain != "message" and part:
                    edit(part)

    return of_all


def prefix(acts: dict[str, Any]) -> None:
    for turns in acts.values():
        for turn in turns.values():
            turn["span_info"] = [[act, f"restaurant-{slot}", *rest] for act, slot, *rest in turn["span_info"]]


def unbook(records: dict[str, Any]) -> None:
    for record in records.values():
        for turn in record["log"]:
            turn["meta"] = turn.pop("metadata")


def book_elsewhere(records: dict[str, Any]) -> None:
    for record in records.values():
        for turn in record["log"]:
            turn["metadata"] = {domain.title(): part for domain, part in turn["metadata"].items()}


SILENT: list[tuple[str, Callable[[Any], None], str]] = [
    ("data.json", parts(lambda part: part.update(reqt=[name.title() for name in part["reqt"]])),
     "request 'Phone' is not read; did you mean 'phone'? (train 1, dev 1)"),
    ("data.json", parts(lambda part: part.update(Info=part.pop("info"))), "x goal: part 'Info' is not read (train 2"),
    ("data.json", book_elsewhere, "bookings of 'Restaurant', which is no domain (train 1"),
    ("data.json", unbook, "but no turn has one with a 'reference'; Success needs it"),
    ("data.json", parts(lambda part: part.update(info={f"restaurant-{s}": v for s, v in part["info"].items()})),
     "restaurant/restaurant-area 1x (did you mean area?)"),
    ("data.json", parts(lambda part: part.update(info={s: v.upper() for s, v in part["info"].items()})),
     "goals that no row of the database meets: 2: restaurant 1x, train 1x"),
    ("db/restaurant_db.json", lambda rows: rows.clear(), "goals of domains without a table in the database: 1"),
    ("dialog_acts.json", prefix, "restaurant-name 1x (did you mean restaurant_name?)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "edit", "line"), SILENT)
def test_names_and_values_that_fit_nothing_are_noted(name: str, edit: Any, line: str, folder: Path) -> None:
    before = load_corpus(str(folder))
    change(folder / name, edit)
    after = load_corpus(str(folder))

    def lines(corpus: Any) -> list[str]:
        scorer = MwzScorer.from_corpus(corpus, "train")
        return [*drop_lines(corpus), *scorer.score(gold_replies(corpus.splits["train"]), resamples=0).notes]

    assert lines(before) == []
    assert any(line in found for found in lines(after)), lines(after)


@pytest.mark.parametrize("name", ["restaurant.json", "restaurant_DB.json", "restaurant_db.json.gz"])
def test_tables_of_another_name_are_noted(name: str, folder: Path) -> None:
    (folder / "db/restaurant_db.json").rename(folder / "db" / name)
    assert f"left out 1 x table: not called <domain>_db.json, in db/{name}" in drop_lines(load_corpus(str(folder)))
