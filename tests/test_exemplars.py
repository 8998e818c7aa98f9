"""Exemplars: templates and back, conversion with every reason, files by the published schema."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from exemplar_dialogues import DIALOGUE, SCHEMA, exemplar, user, write_sgd
from exemplar_dialogues import frame as frame_of

from lab_lib.calls.schema import read_function
from lab_lib.errors import LabError
from lab_lib.exemplars.convert import convert_corpus
from lab_lib.exemplars.corpus import load_exemplars
from lab_lib.exemplars.files import exemplar_row, read_exemplars, read_functions, write_exemplars, write_functions
from lab_lib.exemplars.schema_functions import Names, schema_documents
from lab_lib.exemplars.select import agreement, at_most, distinct, without_words_of
from lab_lib.exemplars.template import (
    LITERAL,
    OUTSIDE,
    OVERLAP,
    REPEATED,
    SHARED,
    Ambiguous,
    SlotSpan,
    refill,
    spans_by_value,
    template_of,
)


@pytest.mark.parametrize(
    ("utterance", "values", "template"),
    [
        ("two to Rome at 5", {"city": ("Rome",), "hour": ("5",)}, "two to <city> at <hour>"),
        ("ROME please", {"city": ("Rome",)}, "<city> please"),
        ("bread and milk", {"items": ("milk", "bread")}, "<items> and <items>"),
        ("from York to New York", {"to": ("New York",), "from_place": ("York",)}, "from <from_place> to <to>"),
        ("romeo to <3", {"city": ("Rome",)}, "romeo to <3"),  # inside a word it is not said
        ("with dogs", {"dogs": (True,), "area": ("dontcare",), "n": (None,)}, "with dogs"),
    ],
)
def test_a_template_gives_back_its_utterance(utterance, values, template):
    one = exemplar("a", utterance, "f", **values)
    assert one.template == template and one.refilled == utterance
    assert set(one.target_arguments) == set(values)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: spans_by_value("5 or 5", {"n": ["5"]}), REPEATED),
        (lambda: spans_by_value("at 5", {"n": ["5"], "hour": ["5"]}), SHARED),
        (lambda: template_of("say <city>", []), LITERAL),
        (lambda: template_of("in Rome", [SlotSpan(3, 7, "a"), SlotSpan(3, 7, "b")]), OVERLAP),
        (lambda: template_of("in Rome", [SlotSpan(3, 8, "a")]), OUTSIDE),
    ],
)
def test_what_has_two_readings_is_refused_with_its_reason(make, reason):
    with pytest.raises(Ambiguous, match=reason):
        make()


def test_a_placeholder_without_a_value_is_an_error():
    with pytest.raises(LabError, match="no value for placeholder 2 of 'n'"):
        refill("<n> or <n>", {"n": ("5",)})


def test_every_user_turn_is_an_exemplar_or_has_a_reason(tmp_path: Path):
    part = convert_corpus(write_sgd(tmp_path / "sgd"), "sgd")["dev"]
    (one,) = part.exemplars
    assert one.key == "sgd.dev.1_00000.0" and one.target_name == "find_inn" and one.provenance.family == "Inns"
    assert one.template == "A bed in <town> with a garden, please."
    assert one.target_arguments == {"town": ("Tolvey",), "has_garden": (True,)}  # a boolean stays, and is one
    reasons = [(row.record.rpartition("1_")[2], row.reason.split(":")[0]) for row in part.dropped]
    assert reasons == [
        ("00000.0", "argument"),  # price is no slot of the intent
        ("00000.2", "its intent was active before"),
        ("00000.4", "its intent was offered by the system"),
        ("00000.6", "several intents are active"),
        ("00000.8", "thanks or goodbye"),
        ("00001.0", "ambiguous"),
        ("00001.2", "no intent is active"),
    ]
    nones = [(n.utterance, n.provenance.kind, n.context.frame, n.context.slot) for n in part.nones]
    assert nones == [("At most 30.", "hard", "find_inn", "price"), ("No, thanks.", "easy", "find_boat", "")]


def test_interfaces_to_one_thing_become_one_function(tmp_path: Path):
    part = convert_corpus(write_sgd(tmp_path / "sgd"), "sgd")["dev"]
    find = part.functions["find_inn"].function
    assert list(part.functions) == ["find_inn", "book_inn", "find_boat"]
    assert find.description == "Find a bed in a town; Look for places to sleep"
    assert [(p.name, p.raw["type"]) for p in find.parameters] == [
        ("town", ["string", "null"]),  # one of the two does not require it
        ("has_garden", ["boolean", "null"]),
        ("place", ["string", "null"]),
    ]
    assert find.required == () and part.functions["book_inn"].function.required == ("town",)
    assert [d.text for d in part.documents][:2] == ["find inn: Find a bed in a town", "book inn: Book a bed"]
    renamed = json.loads(json.dumps(SCHEMA).replace("FindInn", "SearchLodging"))
    varied = schema_documents(renamed, "variant", Names(), SCHEMA)
    assert varied[0].function == "find_inn" and varied[0].text.startswith("search lodging: ")
    with pytest.raises(LabError, match="not the same services and intents"):
        schema_documents(renamed[:-1], "variant", Names(), SCHEMA)


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (user("x", frame_of("Inns_1", "FlyInn")), "no intent 'fly_inn'"),
        (user("x", {"service": "Inns_1", "state": {"active_intent": 3}}), "turn 0, service Inns_1: active_intent is 3"),
        (user(" "), "the turn has no words"),
    ],
)
def test_a_malformed_turn_is_named(tmp_path: Path, turn, message):
    folder = write_sgd(tmp_path / "sgd", dialogues=[{**DIALOGUE, "turns": [turn]}])
    with pytest.raises(LabError, match=message):
        convert_corpus(folder, "sgd")


@pytest.mark.parametrize("name", ["desk", "skills", "town"])
def test_the_bundled_corpora_refill_and_come_back_from_their_files(tmp_path: Path, name: str):
    corpus = load_exemplars(name)
    for split, part in corpus.parts.items():
        rows = (*part.exemplars, *part.nones)
        assert part.exemplars and part.nones and all(one.refilled == one.utterance for one in rows)
        assert {one.target_name for one in part.exemplars} <= set(part.functions)
        write_exemplars(tmp_path / split / "exemplars.jsonl", rows)
        write_functions(tmp_path / split / "functions.yaml", part.functions)
    back = load_exemplars(str(tmp_path))
    for split, part in corpus.parts.items():
        assert (back.part(split).exemplars, back.part(split).nones) == (part.exemplars, part.nones)
        assert back.part(split).functions.functions == part.functions.functions
        raws = [[p.raw for f in one.functions.functions for p in f.parameters] for one in (part, back.part(split))]
        assert raws[0] == raws[1]
    with pytest.raises(LabError, match="no split 'tset'; did you mean 'test'"):
        corpus.part("tset")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": None}, "line 2: key: None is not of type 'string'"),
        ({"target_name": "book a bed"}, "line 2: target_name: "),
        ({"target_arguments": {"town": "Tolvey"}}, "line 2: target_arguments.town: 'Tolvey' is not of type 'array'"),
        ({"tempalte": "x"}, r"line 2: Additional properties are not allowed \('tempalte'"),
        ({"key": "a"}, "line 2: the key 'a' occurs a second time"),
    ],
)
def test_a_line_against_the_schema_is_named(tmp_path: Path, change, message):
    rows = [exemplar_row(exemplar(key, f"bed {key}", "f", town=key)) for key in ("a", "b")]
    path = tmp_path / "exemplars.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (rows[0], {**rows[1], **change})))
    with pytest.raises(LabError, match=message):
        read_exemplars(path)


def test_which_exemplars_are_kept():
    rows = [exemplar(f"{n}", f"bed {n}", "find") for n in range(5)]
    rows += [exemplar("5", "Bed 0!", "find"), exemplar("6", "bed 1", "book"), exemplar("7", "a boat", "sail")]
    kept, dropped = distinct(rows)
    assert [row.record for row in dropped] == ["5", "6"] and "with another function" in dropped[1].reason
    drawn = at_most(kept, 2, seed=0)
    assert [one.target_name for one in drawn] == ["find", "find", "sail"] and drawn == at_most(kept, 2, seed=0)
    assert {tuple(one.key for one in at_most(kept, 2, seed=s)) for s in range(9)} != {tuple(o.key for o in drawn)}
    assert [one.key for one in without_words_of(rows, rows[:5])] == ["7"]
    assert agreement(rows) == (1, 2)


@pytest.mark.real
def test_real_sgd_and_multiwoz_convert(lab_data: Path):
    part = convert_corpus(lab_data / "sgd", "sgd", ["dev"])["dev"]
    assert (len(part.exemplars), len(part.functions)) == (3513, 28)  # one intent name is that of two families
    assert all(one.refilled == one.utterance for one in (*part.exemplars, *part.nones))
    woz = convert_corpus(lab_data / "multiwoz22", "multiwoz22")
    assert set(woz) == {"train", "dev", "test"} and "find_hotel" in woz["dev"].functions
    assert all(one.refilled == one.utterance for part in woz.values() for one in part.exemplars)


def test_functions_are_described_as_skills_are(tmp_path: Path):
    functions = load_exemplars("skills").part("train").functions
    path = write_functions(tmp_path / "functions.yaml", functions)
    again = read_functions([path])
    assert [one.function for one in again.values()] == [one.function for one in functions.values()]
    assert replace(exemplar("a", "x", "f"), key="b").key == "b" and read_function  # the types of the calls lab
