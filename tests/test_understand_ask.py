"""From an utterance to a call by retrieval alone, and an index that is corrected without training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import lab
from exemplar_dialogues import exemplar
from module_files import EXEMPLARS, write_module
from static_embedder import static_embedder

from lab_lib.calls.skills.load import load_skills
from lab_lib.errors import LabError
from lab_lib.exemplars.corpus import load_exemplars
from lab_lib.exemplars.recognisers import NO_RECOGNISERS
from lab_lib.exemplars.types import Context
from lab_lib.retrieval import index as index_room
from lab_lib.retrieval import vectors as vectors_room
from lab_lib.retrieval.config import RetrievalConfig
from lab_lib.retrieval.index import save_index
from lab_lib.understand.add import NewExemplar, add_entry, add_exemplar
from lab_lib.understand.align import align
from lab_lib.understand.converter import Converter
from lab_lib.understand.module import ModuleConfig, make_module, open_module
from lab_lib.understand.readings import read_slots

TFIDF = RetrievalConfig(descriptions="tfidf", exemplars="tfidf")
SETS = ("--set", "retrieval.exemplars=tfidf", "--set", "retrieval.descriptions=tfidf")


def index(folder: Path, corpus: str, retrieval: RetrievalConfig = TFIDF) -> Path:
    made = make_module(load_exemplars(corpus), ModuleConfig(corpus=corpus, retrieval=retrieval))
    return save_index(folder, made.retriever, made.functions, made.recognisers)


@pytest.fixture
def office(tmp_path: Path) -> Path:
    return index(tmp_path / "office-index", str(write_module(tmp_path / "office")))


def asked(*folders: Path | str, text: str, **settings):
    return Converter([open_module(str(folder)) for folder in folders], **settings).understand(text)


# ---- asking --------------------------------------------------------------------------------------------------------
def test_the_files_of_others_answer_as_they_are(tmp_path: Path, capsys):
    folder = write_module(tmp_path / "office")
    assert lab("understand", "ask", "--schema", folder, *SETS, "I want two tickets to New York", "--explain") == 0
    out, err = capsys.readouterr()
    assert out == 'buy_ticket(quantity=2, destination="New York")\n'
    for line in (
        "by retrieval alone: no trained run was named",
        "quantity = 2 from 'two' (number)",
        "destination = \"New York\" from 'New York' (recogniser city, template of office.001)",
        "buy_ticket: I like to get <quantity> ticket to <destination>  [office, office.001",
        "description  ",
    ):
        assert line in err
    text = "I want tickets to NYC"
    assert lab("understand", "ask", "--schema", folder, *SETS, text, "--json") == 1  # a required slot is missing
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["call"], found["reason"]) == ("buy_ticket", "", "missing")
    assert found["arguments"] == {"destination": "New York"} and "needs 'quantity'" in found["said"]
    (value,) = found["slots"]
    assert text[value["start"] : value["end"]] == value["said"] == "NYC"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("hi",), "name an index or a schema with --schema"),
        (("--schema", "desk", *SETS, " "), "the utterance is empty"),
        (("--schema", "desk", *SETS, "x" * 2001), "2001 characters, at most 2000"),
        (("--schema", "desk", *SETS, "--frame", "find_boook", "hi"), "did you mean 'find_book'?"),
        (("--schema", "desk", *SETS, "one", "two", "three"), "in quotes"),
        (("--schema", "desk", "--schema", "desk", *SETS, "hi"), "is a function of desk and of desk"),
        (("--schema", "dsk", "hi"), "did you mean 'desk'?"),
    ],
)
def test_what_cannot_be_asked_is_refused(words, message, capsys):
    assert lab("understand", "ask", *words) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("template", "utterance", "values"),
    [
        ("Do you have <title>?", "do you have Night Ferry", {"title": "Night Ferry"}),
        ("from <a> to <b>", "I go from York to New York", {"a": "York", "b": "New York"}),
        ("Play <song>", "play yesterday please", {"song": "yesterday"}),
        ("weather in <city>", "what is the weather like in Rome, and why", {"city": "Rome"}),
        ("two tickets to <city>", "I want to go home", {}),  # one word beside it agrees: that is too little
        ("<title>", "anything at all", {}),
        ("a <size> pizza", "a very very very very very very very very large pizza", {}),
    ],
)
def test_a_template_says_where_values_stand(template, utterance, values):
    assert {one.slot: utterance[one.start : one.end] for one in align(template, utterance)} == values


def test_a_value_of_two_slots_is_taken_where_a_template_places_it(tmp_path: Path):
    part = load_exemplars(str(write_module(tmp_path / "office")))
    skill, known = part.part("train").functions["buy_ticket"], part.recognisers
    placed = read_slots("a fare from NYC to York", skill, part.part("train").exemplars, known)
    assert {one.slot: one.value for one in placed} == {"origin": "New York", "destination": "York"}
    assert read_slots("York it is", skill, (), known) == []  # from, or to?
    assert [one.value for one in read_slots("2 or 3 of them", skill, (), known)] == []  # which number?
    home = load_skills(["home"])["add_to_list"]
    rows = [exemplar("a", "add milk and eggs to my list", "add_to_list", items=("milk", "eggs"))]
    (items,) = read_slots("please add jam and eggs to my list", home, rows, NO_RECOGNISERS)
    assert items.value == ["jam", "eggs"]


def test_what_is_like_nothing_is_none(office, tmp_path: Path):
    desk = index(tmp_path / "desk", "desk")
    for text in ("quantum chromodynamics", "bye bye"):  # no word is known; the words of an exemplar of none
        found = asked(desk, text=text)
        assert (found.call, found.name, found.arguments) == ("none()", "none", {})
    assert asked(desk, text="Do you have Night Ferry?").name == "find_book"
    assert asked(desk, text="Do you have Night Ferry?", none_below=0.99).name == "none"
    several = asked(desk, office, text="Which trains run on Friday?")
    assert several.call == 'find_train(day="Friday")' and several.evidence.exemplars[0].module == str(office)
    words = index(tmp_path / "words", "desk", RetrievalConfig(descriptions="tfidf", exemplars="keyword"))
    assert asked(words, text="Do you have Night Ferry?").name == "find_book"
    with pytest.raises(LabError, match="indexed in different ways"):
        asked(words, office, text="hi")


# ---- corrections -----------------------------------------------------------------------------------------------------
NEW = NewExemplar("get me over to Rome twice", 'buy_ticket(quantity=2, destination="Rome")')


@pytest.mark.parametrize("method", ["tfidf", "keyword", "fused", "embedding", "graph"])
def test_an_exemplar_that_is_added_counts_at_once(tmp_path: Path, method, monkeypatch):
    if method == "graph":  # the search method for very many vectors
        monkeypatch.setattr(vectors_room, "MANY", 2)
        method = "embedding"
    texts = [one["template"] for many in EXEMPLARS.values() for one in many]
    model = str(static_embedder(tmp_path / "model", texts))
    described = "embedding" if method == "embedding" else "tfidf"
    retrieval = RetrievalConfig(model, described, method, exemplar_text="template")
    folder = index(tmp_path / "index", str(write_module(tmp_path / "office", recognisers=None)), retrieval)
    before = asked(folder, text=NEW.utterance)
    assert before.call != NEW.call
    made = add_exemplar(folder, NEW)
    found = asked(folder, text="Get me over to Rome twice!")
    assert found.call == NEW.call and found.by == f"exemplar {made.key}" == "exemplar added.001"
    assert made.provenance.corpus == "added" and made.provenance.record.startswith("20")
    assert found.evidence.exemplars[0].score == max(one.score for one in found.evidence.exemplars)
    again = add_exemplar(folder, NewExemplar("off to Oslo", "none()"))  # an index that was added to takes more
    assert again.key == "added.002" and asked(folder, text="off to Oslo").call == "none()"
    assert len(open_module(str(folder)).retriever.exemplars) == 6
    assert len([path for path in folder.iterdir() if path.name != ".lock"]) == 2  # the manifest, and one folder


def test_an_entry_that_is_added_counts_at_once(office, capsys):
    text = "I want two tickets to the big apple"
    assert asked(office, text=text).reason == "missing"
    words = ("--recogniser", "city", "--label", "New York", "--expression", "the big apple")
    assert lab("understand", "add", office, *words) == 0
    assert asked(office, text=text).call == 'buy_ticket(quantity=2, destination="New York")'
    assert asked(office, text="I want two tickets to NYC").call  # the entry keeps its earlier values
    add_entry(office, "weekday", "Friday", ["fri"], ["find_train.day"])
    assert asked(office, text="Is there a train on fri?").call == 'find_train(day="Friday")'
    manifest = json.loads((office / "index.json").read_text())
    stored = json.loads((office / manifest["place"] / "recognizers.json").read_text())
    assert stored["recognizers"]["weekday"]["instances"][0]["source"].startswith("added 20")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("hi",), "add one thing: TEXT with --call"),
        (("hi", "--call", "find_trian()"), "did you mean 'find_train'?"),
        (("hi", "--call", "find_train(day=5)"), "'day' is 5, expected a text"),
        (("hi", "--call", "import os"), "not a Python expression"),
        (("Is there a train?", "--call", "none()"), "office.004 has these words and means find_train; --replace"),
        (("to Rome or Rome", "--call", 'buy_ticket(quantity=1, destination="Rome")'), "mark its values"),
        (("on Friday", "--call", 'find_train(day="Friday")', "--template", "at <day>"), "has other words than"),
        (("hi", "--call", "none()", "--frame", "find_trian"), "did you mean 'find_train'?"),
        (("--recogniser", "city", "--label", "Rome", "--slot", "destinatio"), "did you mean 'destination'?"),
        (("--recogniser", "town", "--label", "Rome"), "no slot uses the recogniser 'town'"),
        (("--recogniser", "city", "--label", "Rome", "--expression", "NYC"), "'NYC' means 'New York' and 'Rome'"),
    ],
)
def test_what_is_not_added(office, words, message, capsys):
    before = {path: path.read_bytes() for path in office.rglob("*") if path.is_file() and path.name != ".lock"}
    assert lab("understand", "add", office, *words) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert before == {path: path.read_bytes() for path in office.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_wrong_exemplar_is_replaced_and_a_killed_call_changes_nothing(office, monkeypatch):
    new = NewExemplar("is there a train", "none()", replace=True)
    written = index_room.write_json

    def killed(path, value):
        raise KeyboardInterrupt

    monkeypatch.setattr(index_room, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        add_exemplar(office, new)
    assert asked(office, text="Is there a train?").name == "find_train"
    monkeypatch.setattr(index_room, "write_json", written)
    add_exemplar(office, new)
    assert asked(office, text="Is there a train?").call == "none()"
    assert len(open_module(str(office)).retriever.exemplars) == 4


def test_an_exemplar_counts_in_the_context_that_it_was_said_in(office):
    add_exemplar(
        office, NewExemplar("great, do it", "buy_ticket(quantity=1, destination='York')", context=Context("find_train"))
    )
    converter = Converter([open_module(str(office))])
    assert converter.understand("Great, do it", Context("find_train")).call.startswith("buy_ticket(quantity=1")
    assert not converter.understand("Great, do it", Context("buy_ticket")).by.startswith("exemplar")
