"""What cannot be scored is refused in one line that names dialogue, turn and service, and not counted as wrong."""

from __future__ import annotations

import copy
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sgd_harbour import SCHEMA, SEEN, dialogue, frame, service, system, user

from lab_lib.errors import LabError
from lab_lib.evaluation.sgd import SgdScorer
from lab_lib.evaluation.sgd_dialogues import read_dialogues, read_schema

GOLD = dialogue(
    user(frame("Inns_1", town="Tolvey", spans=[("town", 9, 15)])), system(), user(frame("Inns_1", spans=[]))
)
ODD = "Tolvey \ud800 \u0000 é 🙂 \u202e漢字 İß\ufeff \U0010ffff"


def scorer(**references: Any) -> SgdScorer:
    return SgdScorer(references or {"7_00001": GOLD}, SCHEMA, SEEN)


def changed(*path: Any, to: Any) -> dict[str, Any]:
    """The gold dialogue with one thing replaced, as the prediction file of dialogue 7_00001."""
    whole = {"7_00001": copy.deepcopy(GOLD)}
    place: Any = whole["7_00001"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return whole


STATE = ("turns", 0, "frames", 0, "state")
HERE = "dialogue 7_00001, turn 0, service Inns_1: "


@pytest.mark.parametrize(
    ("path", "to", "message"),
    [
        # Where the published scorer raises.
        (("services",), ["Inns_1", "Ferry"], "dialogue 7_00001: services Ferry, Inns_1, expected Inns_1"),
        (("services",), [], "dialogue 7_00001: services none, expected Inns_1"),
        (("turns", 1, "speaker"), "USER", "dialogue 7_00001, turn 1: speaker 'USER', expected 'SYSTEM'"),
        (("turns", 0, "speaker"), None, "dialogue 7_00001, turn 0: speaker None, expected 'USER'"),
        (("turns", 0, "utterance"), "a bed", "dialogue 7_00001, turn 0: utterance 'a bed', expected 'a bed in Tolvey"),
        (("turns", 2, "frames"), [], "dialogue 7_00001, turn 2: no frame for service Inns_1; frames given: none"),
        (("turns", 0, "frames"), [frame("Ferry")], "no frame for service Inns_1; frames given: Ferry"),
        # Malformed dialogues and turns.
        (("services",), "Inns_1", "dialogue 7_00001: 'services' is 'Inns_1', expected a list of names"),
        (("turns",), None, "dialogue 7_00001: 'turns' is None, expected a list"),
        (("turns", 1), "hello", "dialogue 7_00001, turn 1: expected an object with 'speaker', found 'hello'"),
        (("turns", 0, "utterance"), 4, "dialogue 7_00001, turn 0: 'utterance' is 4, expected text"),
        (("turns", 0, "utterance"), "\u200b", "dialogue 7_00001, turn 0: the turn has no words, expected an"),
        (("turns", 0, "frames"), {}, "dialogue 7_00001, turn 0: 'frames' is {}, expected a list"),
        (("turns", 0, "frames"), [[]], "dialogue 7_00001, turn 0: a frame is [], expected an object with 'service'"),
        # Malformed states.
        (STATE, ["a"], HERE + "state is ['a'], expected {active_intent, requested_slots, slot_values}"),
        (STATE, None, HERE + "state is None, expected"),
        ((*STATE, "active_intent"), 1, HERE + "active_intent is 1, expected text"),
        ((*STATE, "requested_slots"), "town", HERE + "requested_slots is 'town', expected a list of slot names"),
        (
            (*STATE, "requested_slots"),
            [["town"]],
            HERE + "requested_slots is [['town']], expected a list of slot names",
        ),
        ((*STATE, "slot_values"), [], HERE + "slot_values is [], expected {slot: [value, ...]}"),
        ((*STATE, "slot_values"), {"town": "Tolvey"}, HERE + "slot 'town' has the value 'Tolvey', expected a list of"),
        (
            (*STATE, "slot_values"),
            {"town": []},
            HERE + "slot 'town' has the value [], expected a list of texts, at least",
        ),
        ((*STATE, "slot_values"), {"nights": [2]}, HERE + "slot 'nights' has the value [2], expected a list of texts"),
        ((*STATE, "slot_values"), {"nights": [float("nan")]}, HERE + "slot 'nights' has the value [nan], expected"),
        ((*STATE, "slot_values"), {"town": ["Tolvey", None]}, HERE + "slot 'town' has the value ['Tolvey', None]"),
        ((*STATE, "slot_values"), {3: ["Tolvey"]}, HERE + "slot 3 has the value ['Tolvey']"),
        # Malformed spans.
        (("turns", 0, "frames", 0, "slots"), "town", HERE + "slots is 'town', expected a list of {slot, start"),
        (
            ("turns", 0, "frames", 0, "slots"),
            ["town"],
            HERE + "a span is 'town', expected {slot, start, exclusive_end}",
        ),
        (("turns", 0, "frames", 0, "slots"), [{"slot": "town"}], HERE + "the span of slot 'town' is from None to None"),
        (("turns", 0, "frames", 0, "slots"), [{"slot": "town", "start": 0, "exclusive_end": "9"}], "from 0 to '9'"),
    ],
)
def test_one_line_names_the_place(path: tuple[Any, ...], to: Any, message: str) -> None:
    with pytest.raises(LabError) as caught:
        scorer().score(changed(*path, to=to), resamples=0)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_texts_that_differ_late_are_shown_where_they_differ() -> None:
    long = "a bed in Tolvey " * 9
    gold = dialogue(user(frame("Inns_1", town=long + "north"), utterance=long + "please"))
    ours = copy.deepcopy(gold)
    ours["turns"][0]["frames"][0]["state"]["slot_values"]["town"] = [long + "south"]
    (cause,) = scorer(**{"7_1": gold}).score({"7_1": ours}, resamples=0).frames[0].causes
    assert re.fullmatch(r"wrong value: town is '….+south', expected '….+north', counts 0\.\d+", cause)
    ours["turns"][0]["utterance"] += " "
    with pytest.raises(LabError, match=r"turn 0: utterance '….+please ', expected '….+please'$"):
        scorer(**{"7_1": gold}).score({"7_1": ours}, resamples=0)


@pytest.mark.parametrize("part", ["active_intent", "requested_slots", "slot_values"])
def test_a_state_needs_all_its_parts(part: str) -> None:
    ours = {"7_00001": copy.deepcopy(GOLD)}
    del ours["7_00001"]["turns"][0]["frames"][0]["state"][part]
    with pytest.raises(LabError, match=f"{part} is None, expected"):
        scorer().score(ours)


def test_unknown_dialogues_name_the_nearest() -> None:
    with pytest.raises(LabError, match=r"1 unknown dialogue ids, the first is '7_0001'; did you mean '7_00001'\?"):
        scorer().score({"7_0001": GOLD})
    with pytest.raises(LabError, match="2 unknown dialogue ids, the first is 'harbour'; expected ids like '7_00001'"):
        scorer().score({"harbour": GOLD, 3: GOLD})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([GOLD], "predictions: expected {dialogue id: dialogue}, found list"),
        ({}, "predictions: no dialogue to score"),
        ({"7_00001": [GOLD]}, "dialogue 7_00001: expected an object with 'services' and 'turns', found ["),
        ({"7_00001": {"services": ["Inns_1"], "turns": []}}, "predictions: no user frame to score"),
    ],
)
def test_predictions_of_another_form(predictions: Any, message: str) -> None:
    with pytest.raises(LabError) as caught:
        scorer().score(predictions)
    assert message in str(caught.value)


def test_flags_that_do_not_exist() -> None:
    with pytest.raises(LabError, match="fuzzy backend: unknown 'fuzzywuzzy'; valid: difflib, indel"):
        scorer().score({"7_00001": GOLD}, backend="fuzzywuzzy")
    with pytest.raises(LabError, match="resamples must be at least 1, not -1"):
        scorer().score({"7_00001": GOLD}, resamples=-1)


def test_references_are_checked_when_they_are_read_in() -> None:
    with pytest.raises(
        LabError, match=r"reference dialogue a, turn 0: the schema has no service 'Inn_1'; did you mean 'Inns_1'\?"
    ):
        scorer(a=dialogue(user(frame("Inn_1"))))
    with pytest.raises(LabError, match="reference dialogue a, turn 0, service Inns_1: slot 'town' has the value"):
        scorer(a=dialogue(user(frame("Inns_1", town=[]))))
    without = dialogue(user(frame("Inns_1")))
    del without["turns"][0]["frames"][0]["state"]
    with pytest.raises(LabError, match="reference dialogue a, turn 0, service Inns_1: state is None"):
        scorer(a=without)


def test_spans_without_reference_spans_cannot_be_scored() -> None:
    references, ours = dialogue(user(frame("Inns_1"))), dialogue(user(frame("Inns_1", spans=[])))
    with pytest.raises(LabError, match="dialogue a, turn 0, service Inns_1: the prediction has 'slots', but the ref"):
        scorer(a=references).score({"a": ours})
    assert scorer(a=references).score({"a": references}, resamples=0).frames[0].metrics["slot_tagging_f1"] is None


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ([[]], "schema, service 0: expected an object with 'service_name' and a list 'slots'"),
        ([{"service_name": "Inns_1"}], "schema, service 0: expected an object"),
        ([service("A_1"), service("A_1")], "schema: the service A_1 occurs a second time"),
        ([{"service_name": "A_1", "slots": ["town"]}], "schema, service A_1: a slot is 'town', expected an object"),
        (
            [{"service_name": "A_1", "slots": [{"name": "town"}]}],
            "service A_1, slot town: 'is_categorical' must be true or",
        ),
        ([{**service("A_1"), "slots": service("A_1", t=True)["slots"] * 2}], "the slot t occurs a second time"),
    ],
)
def test_schemas_are_checked(schema: Any, message: str) -> None:
    with pytest.raises(LabError) as caught:
        SgdScorer({}, schema, SEEN)
    assert message in str(caught.value)


def test_unicode_of_every_kind_is_scored() -> None:
    gold = dialogue(user(frame("Inns_1", ODD, (ODD,), [("town", 0, 30)], town=ODD, nights=ODD), utterance=ODD))
    for backend in ("difflib", "indel"):
        scores = scorer(**{ODD: gold}).score({ODD: gold}, backend=backend, resamples=5)
        assert set(scores.metrics["#ALL_SERVICES"].values()) == {1.0}
    other = copy.deepcopy(gold)
    other["turns"][0]["frames"][0]["state"]["slot_values"]["town"] = ["\udfff\U0001f600"]
    assert scorer(**{ODD: gold}).score({ODD: other}, resamples=0).frames[0].metrics["average_noncat_accuracy"] == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    ("services",),
    ("turns",),
    ("turns", 0),
    ("turns", 0, "utterance"),
    ("turns", 0, "frames"),
    ("turns", 0, "frames", 0),
    ("turns", 0, "frames", 0, "slots"),
    ("turns", 0, "frames", 0, "slots", 0),
    STATE,
    *((*STATE, part) for part in ("active_intent", "requested_slots", "slot_values")),
    (*STATE, "slot_values", "town"),
]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(PLACES), JSON)
def test_any_json_anywhere_is_scored_or_refused_by_us(path: tuple[Any, ...], value: Any) -> None:
    try:
        scores = scorer().score(changed(*path, to=value), resamples=0)
    except LabError as error:
        assert str(error)
    else:
        assert all(0 <= mean <= 1 for part in scores.metrics.values() for mean in part.values())


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def named(key: str) -> dict[str, Any]:
    return {**GOLD, "dialogue_id": key}


def test_a_split_folder_is_read(tmp_path: Path) -> None:
    split = tmp_path / "dev"
    write(split / "schema.json", SCHEMA)
    write(split / "dialogues_001.json", [named("1_1"), named("1_2")])
    (split / "dialogues_002.json.gz").write_bytes(gzip.compress(json.dumps([named("2_1")]).encode()))
    # What the published scorer leaves in a folder of predictions, and what is no JSON, is passed over.
    write(split / "dialogues_and_metrics.json", {"1_1": named("1_1")})
    (split / "notes.txt").write_text("no dialogues")
    train = write(tmp_path / "train" / "schema.json", [service("Inns_1")])
    assert list(read_dialogues(split)) == ["1_1", "1_2", "2_1"]
    scores = SgdScorer.from_folder(split, train).score(read_dialogues(split), resamples=0)
    assert scores.metrics["#SEEN_SERVICES"]["joint_goal_accuracy"] == 1 and "#UNSEEN_SERVICES" not in scores.metrics


def test_a_file_holds_a_list_or_a_mapping(tmp_path: Path) -> None:
    listed = read_dialogues(write(tmp_path / "a.json", [named("1_1")]))
    assert listed == read_dialogues(write(tmp_path / "b.json", {"1_1": named("1_1")})) == {"1_1": named("1_1")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (3, "expected a list of dialogues, found int"),
        ([{"turns": []}], "entry 0 is {'turns': []}, expected a dialogue with 'dialogue_id'"),
        ([named("1_1"), "x"], "entry 1 is 'x', expected a dialogue"),
        ({"1_1": [1]}, "entry 0 is [1], expected a dialogue"),
        ([named("1_1"), named("1_1")], "dialogue 1_1 occurs a second time"),
    ],
)
def test_files_of_another_form(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(LabError) as caught:
        read_dialogues(write(tmp_path / "p.json", content))
    assert message in str(caught.value) and str(tmp_path / "p.json") in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    whole = gzip.compress(json.dumps([named("1_1")]).encode())
    (tmp_path / "cut.json.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "no.json.gz").write_bytes(b"plain text")
    (tmp_path / "empty.json").write_bytes(b"")
    (tmp_path / "cut.json").write_text('[{"dialogue_id": "1_1"')
    (tmp_path / "latin.json").write_bytes('["é"]'.encode("latin-1"))
    expected = {
        "cut.json.gz": "the gzip file is truncated",
        "no.json.gz": "cannot read",
        "empty.json": "the file is empty, expected JSON",
        "cut.json": "is the file cut short?",
        "latin.json": "not UTF-8",
        "gone.json": "no such file",
    }
    for name, message in expected.items():
        with pytest.raises(LabError) as caught:
            read_dialogues(tmp_path / name)
        assert message in str(caught.value) and name in str(caught.value)
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder" / "schema.json", {})
    with pytest.raises(LabError, match="no dialogue files"):
        read_dialogues(tmp_path / "folder")
    with pytest.raises(LabError, match=r"schema.json: expected a list of services, found dict"):
        read_schema(tmp_path / "folder" / "schema.json")
