"""The reader: what it makes of a clean corpus, and how it refuses or counts what is not clean."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_corpus import change, write_tiny_corpus

from lab_lib.corpora.delex import delexicalise, refill
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.multiwoz import read_multiwoz
from lab_lib.corpora.types import Corpus, DomainGoal, Dropped, Span, State
from lab_lib.corpora.values import normalise_state
from lab_lib.errors import LabError

TRAIN = "train/dialogues_001.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_corpus(tmp_path / "tiny")


def test_reads_every_part_of_a_dialogue(folder: Path) -> None:
    corpus = read_multiwoz(folder, folder, "tiny")
    assert {split: [d.id for d in dialogues] for split, dialogues in corpus.splits.items()} == {
        "train": ["TIN0001.json", "TIN0002.json"],
        "dev": ["TIN0003.json"],
        "test": ["TIN0004.json"],
    }
    first = corpus.splits["train"][0]
    assert [turn.speaker for turn in first.turns] == ["user", "system", "user", "system"]
    assert first.turns[0].text == "I want British food in the north, please."
    assert first.turns[0].spans[1] == Span("area", "north", 27, 32, "Restaurant-Inform")
    assert first.turns[1].acts == ("Restaurant-Recommend", "Restaurant-Inform")
    assert first.turns[0].state.values == {"restaurant": {"food": ("british",), "area": ("north",)}}
    assert first.turns[2].state.values["restaurant"]["booktime"] == ("19:00", "7 pm")
    assert [turn.booked for turn in first.turns] == [(), (), (), ("restaurant",)]
    assert [turn.state for turn in first.system_turns] == [None, None]
    assert first.goal == {
        "restaurant": DomainGoal(
            {"area": "north", "food": "british"},
            ("PHONE", "REFERENCE"),
            {"people": "2", "day": "monday", "time": "19:00"},
        )
    }
    assert corpus.splits["train"][1].goal["train"].informable["leave"] == "08:30"
    assert corpus.splits["train"][1].goal["train"].requestable == ("TRAINID",)
    assert corpus.splits["test"][0].turns[0].state.first() == {"restaurant": {"food": "indian"}}
    assert corpus.database["restaurant"][0]["name"] == "copper kettle"
    assert corpus.dropped == ()


def test_without_goals_folder_there_is_no_goal_no_booking_and_no_database(folder: Path) -> None:
    corpus = read_multiwoz(folder, None, "tiny")
    assert corpus.splits["train"][0].goal is None
    assert corpus.splits["train"][0].turns[3].booked == ()
    assert corpus.database == {} and corpus.dropped == ()


def test_missing_train_and_dev_are_fine_and_their_acts_are_counted(folder: Path) -> None:
    for split in ("train", "dev"):
        (folder / split / "dialogues_001.json").unlink()
        (folder / split).rmdir()
    corpus = load_corpus(str(folder))
    assert list(corpus.splits) == ["test"]
    assert corpus.name == "tiny"
    expected = "acts of 3 dialogues that are in no split: TIN0001.json, TIN0002.json, TIN0003.json"
    assert corpus.dropped == (Dropped("dialog_acts.json", expected),)


def test_dialogues_without_goal_acts_or_with_another_length_are_kept_and_noted(folder: Path) -> None:
    change(folder / "data.json", lambda data: data.pop("TIN0002.json"))
    change(folder / "data.json", lambda data: data["TIN0004.json"]["log"].pop())
    change(folder / "dialog_acts.json", lambda acts: acts.pop("TIN0003.json"))
    corpus = read_multiwoz(folder, folder, "tiny")
    assert corpus.dropped == (
        Dropped("TIN0002.json", "goal: not in data.json"),
        Dropped("TIN0003.json", "spans: not in dialog_acts.json"),
        Dropped("TIN0004.json", "goal: data.json has 3 turns, the dialogue 4"),
    )
    assert corpus.splits["test"][0].goal is None
    assert corpus.splits["dev"][0].turns[0].spans == ()


def test_slots_without_a_value_are_no_wish_and_counted(folder: Path) -> None:
    values = {"restaurant-area": ["north"], "restaurant-food": ["Not mentioned"], "restaurant-name": ["", "none"]}
    change(folder / TRAIN, _slot_values(values | {"restaurant-pricerange": ["none", "cheap"]}))
    corpus = read_multiwoz(folder, folder, "tiny")
    state = corpus.splits["train"][0].turns[0].state
    assert state == State({"restaurant": {"area": ("north",), "pricerange": ("cheap",)}})
    assert corpus.dropped == (
        Dropped("TIN0001.json", "state: 2 slots have no value but '', 'none' or 'not mentioned'"),
    )


def test_a_one_row_table_may_be_the_bare_row(folder: Path) -> None:
    change(folder / "db/taxi_db.json", lambda rows: None)
    (folder / "db/taxi_db.json").write_text('{"taxi_types": ["tesla"]}')
    assert read_multiwoz(folder, folder, "tiny").database["taxi"] == ({"taxi_types": ["tesla"]},)


def _turn(number: int, **changes: Any) -> Callable[[Any], None]:
    return lambda dialogues: dialogues[0]["turns"][number].update(changes)


def _slot_values(values: Any) -> Callable[[Any], None]:
    def edit(dialogues: Any) -> None:
        dialogues[0]["turns"][0]["frames"][0]["state"]["slot_values"] = values

    return edit


def _span(*row: Any) -> Callable[[Any], None]:
    return lambda acts: acts["TIN0001.json"]["1"].update(span_info=[list(row)])


SPOILT: list[tuple[str, str, Callable[[Any], Any], str]] = [
    ("empty dialogue", TRAIN, lambda d: d[0].update(turns=[]), "dialogue TIN0001.json: the dialogue is empty"),
    ("no id", TRAIN, lambda d: d[1].pop("dialogue_id"), "dialogue number 2: expected a 'dialogue_id'"),
    ("no dialogue", TRAIN, lambda d: d.append(3), "dialogue number 3: expected a 'dialogue_id'"),
    ("no words", TRAIN, _turn(1, utterance="  "), "TIN0001.json, turn 1: the turn has no words"),
    ("no utterance", TRAIN, lambda d: d[0]["turns"][2].pop("utterance"), "turn 2: the turn has no words"),
    ("strange speaker", TRAIN, _turn(1, speaker="SYSTEMS"), "unknown speaker 'SYSTEMS'; did you mean 'SYSTEM'?"),
    ("alternation", TRAIN, _turn(1, speaker="USER"), "turn 1: USER speaks, expected SYSTEM"),
    ("order", TRAIN, _turn(1, turn_id="3"), "turn 1: turn_id is '3', expected '1'"),
    ("unknown slot", TRAIN, _slot_values({"restaurant-aera": ["north"]}),
     "turn 0: unknown slot 'restaurant-aera' in the state; did you mean 'restaurant-area'?"),
    ("slot of another service", TRAIN, _slot_values({"train-day": ["monday"]}), "unknown slot 'train-day'"),
    ("no value", TRAIN, _slot_values({"restaurant-area": []}), "'restaurant-area': expected a list of values"),
    ("bare value", TRAIN, _slot_values({"restaurant-area": "north"}), "expected a list of values, found 'north'"),
    ("state of no form", TRAIN, _slot_values(["north"]), "expected a frame's state of the form"),
    ("unknown service", TRAIN, lambda d: d[0]["turns"][0]["frames"][0].update(service="restaurants"),
     "unknown service 'restaurants'; did you mean 'restaurant'?"),
    ("frames", TRAIN, _turn(0, frames={}), "turn 0: expected 'frames' to be a list"),
    ("duplicate id", TRAIN, lambda d: d[1].update(dialogue_id="tin0001"), "dialogue tin0001: this id was read before"),
    ("id in two splits", "test/dialogues_001.json", lambda d: d[0].update(dialogue_id="TIN0003.json"),
     "test/dialogues_001.json: dialogue TIN0003.json: this id was read before"),
    ("span outside", "dialog_acts.json", _span("Restaurant-Inform", "name", "copper kettle", 4, 400),
     "dialog_acts.json: dialogue TIN0001.json, turn 1: span name='copper kettle' at 4:400 is outside its text of 36"),
    ("empty span", "dialog_acts.json", _span("Restaurant-Inform", "name", "copper kettle", 4, 4), "outside its text"),
    ("negative span", "dialog_acts.json", _span("Restaurant-Inform", "name", "x", -3, 4), "outside its text"),
    ("short span", "dialog_acts.json", _span("name", "x", 1, 2), "expected [act, slot, value, start, end]"),
    ("span of words", "dialog_acts.json", _span("A", "name", "x", "1", "2"), "expected [act, slot, value, start"),
    ("span_info", "dialog_acts.json", lambda a: a["TIN0001.json"]["1"].update(span_info={}), "to be a list"),
    ("dialog_act", "dialog_acts.json", lambda a: a["TIN0001.json"]["1"].update(dialog_act={"A-Inform": "x"}),
     "turn 1: expected 'dialog_act' of the form"),
    ("acts the wrong way round", "dialog_acts.json",
     lambda a: a["TIN0001.json"]["1"].update(dialog_act={"A-Inform": [["none", "area"], ["north", "area"]]}),
     "turn 1: A-Inform has slot 'north' with value 'area'; expected the slot before its value"),
    ("a question the wrong way round", "dialog_acts.json",
     lambda a: a["TIN0001.json"]["1"].update(dialog_act={"A-Request": [["?", "phone"]]}),
     "slot '?' with value 'phone'"),
    ("span the wrong way round", "dialog_acts.json", _span("A-Inform", "copper kettle", "name", 4, 17),
     "turn 1: A-Inform has slot 'copper kettle' with value 'name'"),
    ("acts of a missing turn", "dialog_acts.json", lambda a: a["TIN0001.json"].update({"9": {}}),
     "dialogue TIN0001.json, turn 9: the dialogue has turns 0 to 3"),
    ("acts of no form", "dialog_acts.json", lambda a: a.update({"TIN0001.json": []}), "TIN0001.json: expected {turn"),
    ("schema", "schema.json", lambda s: s[0].pop("slots"), "schema.json: expected a list of services"),
    ("unknown goal domain", "data.json", lambda g: g["TIN0001.json"]["goal"].update(hotels={"info": {}}),
     "data.json: dialogue TIN0001.json, goal: unknown domain 'hotels'; did you mean 'hotel'?"),
    ("goal of no form", "data.json", lambda g: g["TIN0001.json"].update(goal=[]), "goal: expected a JSON object"),
    ("no log", "data.json", lambda g: g["TIN0001.json"].pop("log"), "TIN0001.json: expected a 'log'"),
    ("metadata", "data.json", lambda g: g["TIN0001.json"]["log"][1].update(metadata={"taxi": []}), "expected metadata"),
    ("reqt", "data.json", lambda g: g["TIN0001.json"]["goal"]["restaurant"].update(reqt="phone"),
     "domain restaurant, reqt: expected a list"),
    ("database row", "db/train_db.json", lambda rows: rows.append(7), "train_db.json: expected a list of JSON objects"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "edit", "message"), [case[1:] for case in SPOILT], ids=[c[0] for c in SPOILT])
def test_bad_records_are_refused_in_one_line(folder: Path, file: str, edit: Any, message: str) -> None:
    change(folder / file, edit)
    with pytest.raises(LabError) as caught:
        read_multiwoz(folder, folder, "tiny")
    line = str(caught.value)
    assert message in line and str(folder) in line and "\n" not in line


@pytest.mark.parametrize("file", [TRAIN, "schema.json", "dialog_acts.json", "data.json", "db/train_db.json"])
def test_a_truncated_file_is_named(folder: Path, file: str) -> None:
    path = folder / file
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(LabError, match=f"{path.name}: line 1, column "):
        read_multiwoz(folder, folder, "tiny")


@pytest.mark.parametrize("file", ["schema.json", "dialog_acts.json", "data.json"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(LabError, match=f"{file}: no such file"):
        read_multiwoz(folder, folder, "tiny")


def test_missing_folders_and_numbers_are_named(folder: Path) -> None:
    (folder / TRAIN).rename(folder / "train/dialogues_002.json")
    with pytest.raises(LabError, match=r"train: dialogues_001.json is missing \(the next file is dialogues_002"):
        read_multiwoz(folder, folder, "tiny")
    (folder / "train/dialogues_002.json").unlink()
    with pytest.raises(LabError, match=r"train: expected files named dialogues_001\.json"):
        read_multiwoz(folder, folder, "tiny")
    for split in ("train", "dev", "test"):
        (folder / split).rename(folder / f"no_{split}")
    with pytest.raises(LabError, match="expected at least one of the folders train, dev, test"):
        read_multiwoz(folder, folder, "tiny")


def test_missing_database_is_named(folder: Path) -> None:
    (folder / "db").rename(folder / "database")
    with pytest.raises(LabError, match=r"db: expected database files named <domain>_db\.json"):
        read_multiwoz(folder, folder, "tiny")


def test_load_corpus_names_the_nearest_and_says_how_to_fetch(monkeypatch: Any, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no corpus and no folder is called 'twon'; did you mean 'town'"):
        load_corpus("twon")
    monkeypatch.delenv("LAB_DATA", raising=False)
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    with pytest.raises(LabError, match="run `lab data fetch multiwoz22`"):
        load_corpus("multiwoz22")


@pytest.fixture(scope="module")
def multiwoz(lab_data: Path) -> Corpus:
    return read_multiwoz(lab_data / "multiwoz22", lab_data / "multiwoz21", "multiwoz22")


@pytest.fixture(scope="module")
def official(lab_data: Path) -> Any:
    with gzip.open(lab_data / "mwzeval/mwz_evaldata.json.gz") as stream:
        return json.load(stream)


@pytest.mark.real
def test_goals_and_bookings_equal_the_official_ones(multiwoz: Corpus, official: Any) -> None:
    dialogues = [*multiwoz.splits["dev"], *multiwoz.splits["test"]]
    assert len(dialogues) == 1999
    for dialogue in dialogues:
        goal = {
            domain: {
                "informable": dict(part.informable),
                "requestable": sorted(part.requestable),
                "booking": dict(part.booking),
            }
            for domain, part in dialogue.goal.items()
        }
        expected = {
            domain: {**part, "requestable": sorted(part["requestable"]), "booking": dict(part["booking"])}
            for domain, part in official["goals"][dialogue.key].items()
        }
        assert goal == expected, dialogue.id
        booked = [list(turn.booked) for turn in dialogue.system_turns]
        assert booked == official["booked_domains"][dialogue.key], dialogue.id


@pytest.mark.real
def test_states_equal_the_official_ones(multiwoz: Corpus, official: Any, lab_data: Path) -> None:
    provenance = json.loads((lab_data / "multiwoz22/PROVENANCE.json").read_text())
    differing = set()
    for dialogue in [*multiwoz.splits["dev"], *multiwoz.splits["test"]]:
        states = [normalise_state(turn.state.first()) for turn in dialogue.turns if turn.state is not None]
        if provenance[dialogue.id]["state"] == "2.1 mapped" and states != official["gold_states_mwz21"][dialogue.key]:
            differing.add(dialogue.id)
    # One booking time has two values: joined by "|" in 2.1, a list in the 2.2 layout.
    assert differing == {"MUL0244.json"}


@pytest.mark.real
def test_refilling_every_real_turn_gives_its_text(multiwoz: Corpus) -> None:
    turns = [turn for dialogues in multiwoz.splits.values() for d in dialogues for turn in d.turns]
    assert len(turns) == 14744 + 14730 + 3646
    assert all(refill(delexicalise(turn), turn) == turn.text for turn in turns)
    reasons = {dropped.reason for dropped in multiwoz.dropped}
    assert len(multiwoz.dropped) == 46 and reasons == {"goal: not in data.json"}


@pytest.mark.real
def test_the_official_sample_reads(lab_data: Path) -> None:
    corpus = read_multiwoz(lab_data / "multiwoz22_official_sample", None, "sample")
    assert {split: len(dialogues) for split, dialogues in corpus.splits.items()} == {
        "train": 17,
        "dev": 2,
        "test": 2,
    }
    assert all(len(d.turns) == 2 for dialogues in corpus.splits.values() for d in dialogues)
    assert corpus.dropped == ()


@pytest.mark.real
def test_delexicalised_replies_equal_the_official_references(multiwoz: Corpus, official: Any) -> None:
    from lab_lib.evaluation.normalise import normalise_reply

    references = official["references"]["mwz22"]
    compared = 0
    for dialogue in multiwoz.splits["test"]:
        replies = [normalise_reply(delexicalise(turn))[0] for turn in dialogue.system_turns]
        assert replies == references[dialogue.key], dialogue.id
        compared += len(replies)
    assert compared == 7372


@pytest.mark.parametrize("text", ["\u200b", " \ufeff\u2060\n", "\u3164\u2800", "\ufe0f", "\xad\u202e"])
def test_words_that_cannot_be_seen_are_none(folder: Path, text: str) -> None:
    change(folder / TRAIN, lambda dialogues: dialogues[0]["turns"][2].update(utterance=text))
    with pytest.raises(LabError, match=r"dialogue TIN0001\.json, turn 2: the turn has no words"):
        read_multiwoz(folder, folder, "tiny")


@pytest.mark.parametrize("name", [TRAIN, "data.json", "dialog_acts.json", "schema.json", "db/restaurant_db.json"])
def test_keys_there_twice_and_halves_of_characters_are_refused_in_every_file(folder: Path, name: str) -> None:
    text = (folder / name).read_text()
    key = re.search(r'"(\w+)": ', text)
    assert key is not None
    for broken, message in (
        (text.replace(key[0], key[0] + "0, " + key[0], 1), f"the key '{key[1]}' occurs twice"),
        (text.replace(key[0], '"odd": "\\ud83d", ' + key[0], 1), "odd: half of a surrogate pair"),
    ):
        (folder / name).write_text(broken)
        with pytest.raises(LabError, match=message) as caught:
            read_multiwoz(folder, folder, "tiny")
        assert f"{folder / name}: line " in str(caught.value)


def test_files_that_macos_writes_beside_are_passed_over(folder: Path) -> None:
    before = read_multiwoz(folder, folder, "tiny")
    for path in list(folder.rglob("*.json")):
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
    assert read_multiwoz(folder, folder, "tiny") == before


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        (TRAIN, lambda found: found[0].update(services=5), "dialogue TIN0001.json: 'services' is 5, expected a list"),
        (TRAIN, lambda found: found[0]["turns"][0]["frames"][0].update(service=["x"]), r"turn 0: unknown service \["),
        ("data.json", lambda found: found["TIN0001.json"]["goal"]["restaurant"].update(reqt=[[1]]), "expected a list"),
    ],
)  # fmt: skip
def test_values_of_another_kind_are_named(folder: Path, name: str, edit: Callable[[Any], None], message: str) -> None:
    change(folder / name, edit)
    with pytest.raises(LabError, match=message):
        read_multiwoz(folder, folder, "tiny")
