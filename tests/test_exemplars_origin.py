"""Files of others: schemas in every form, exemplars, recognisers; and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from exemplar_dialogues import SCHEMA
from module_files import CITIES, EXEMPLARS, FUNCTIONS, write_module

from lab_lib.errors import LabError
from lab_lib.exemplars.corpus import load_exemplars
from lab_lib.exemplars.lint import lint
from lab_lib.exemplars.recognise import Recogniser
from lab_lib.exemplars.recognisers import Entry, read_recognisers, write_recognisers
from lab_lib.understand.convert import write_corpus

SHAPES = {one["name"]: {"description": one["description"], **one["parameters"]} for one in FUNCTIONS}
FORMS = {
    "functions": FUNCTIONS,
    "tools": [{"type": "function", "function": one} for one in FUNCTIONS],
    "parameters of operations": {
        "openapi": "3.1.0",
        "paths": {
            f"/{one['name']}": {
                "get": {
                    "operationId": one["name"],
                    "summary": one["description"],
                    "parameters": [
                        {"name": slot, "required": slot in one["parameters"]["required"], "schema": raw}
                        for slot, raw in one["parameters"]["properties"].items()
                    ],
                }
            }
            for one in FUNCTIONS
        },
    },
    "components": {
        "paths": {f"/{name}": {"get": {"operationId": name, "responses": {}}} for name in SHAPES},
        "components": {"schemas": SHAPES},
    },
    "frames": {
        "skills": {
            one["name"]: {
                "name": one["name"],
                "description": one["description"],
                "slots": [f"{one['name']}.{slot}" for slot in one["parameters"]["properties"]],
            }
            for one in FUNCTIONS
        },
        "slots": {
            f"{one['name']}.{slot}": {"name": slot, "description": ""}
            for one in FUNCTIONS
            for slot in one["parameters"]["properties"]
        },
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_schema_gives_the_same_functions(tmp_path: Path, form):
    part = load_exemplars(str(write_module(tmp_path / "office", FORMS[form]))).part("train")
    found = {name: skill.function for name, skill in part.functions.items()}
    assert list(found) == ["buy_ticket", "find_train"] and found["buy_ticket"].description == "Buy tickets to a city"
    assert {one.name for one in found["buy_ticket"].parameters} == {"quantity", "destination", "origin"}
    if form != "frames":  # which say neither types nor what is required
        assert found["buy_ticket"].required == ("quantity", "destination")
        assert found["buy_ticket"].parameter("quantity").type == "integer"
    alone = load_exemplars(str(tmp_path / "office" / "schema.json")).part("train")
    assert len(alone.functions) == 2 and not alone.exemplars


def test_exemplars_and_recognisers_are_read_and_what_is_not_is_counted(tmp_path: Path):
    schema = [*FUNCTIONS, {"name": "odd", "description": "Odd", "parameters": {"type": "object", "properties": {
        "nested": {"type": "object"}, "when": {"type": "string", "format": "date"}}}}]  # fmt: skip
    rows = {**EXEMPLARS, "odd": [{"template": "do it", "owner_mode": "extended"}, {"template": "do <when>"}]}
    corpus = load_exemplars(str(write_module(tmp_path / "office", schema, rows)))
    part = corpus.part("train")
    first, fare = part.exemplars[:2]
    assert first.target_arguments == {"quantity": (1,), "destination": ("new york",)}
    assert first.spoken == {"quantity": ("a",), "destination": ("New York",)}
    assert fare.template == "A fare from <origin> to <destination>" and not fare.target_arguments
    assert all(one.refilled == one.utterance for one in part.exemplars)
    assert sorted(one.reason for one in part.dropped) == [
        "keyword format: not read",
        "owner_mode: not the function itself",
        "parameter: a nested object, which calls here do not support",
    ]
    assert corpus.recognisers.values(part.functions["buy_ticket"], "from york to nyc") == {
        "origin": ("York", "New York"),
        "destination": ("York", "New York"),
    }
    written = load_exemplars(str(write_corpus(corpus, tmp_path / "written", None, None, 0)))
    assert written.recognisers == corpus.recognisers and written.part("train").exemplars == part.exemplars
    assert [one.message for one in lint({"train": part}).findings] == []
    assert load_exemplars(str(write_module(tmp_path / "sgd", SCHEMA, None, None))).part("train").functions


def test_recognisers_find_whole_words_and_come_back_from_their_file(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"card": {"pattern": "[A-Z]{2}[0-9]+"}, "size": {"instances": []}}')
    found = read_recognisers(tmp_path / "a.json").with_entry("size", Entry("small", ("tiny",), "here"), {})
    assert read_recognisers(write_recognisers(tmp_path / "b.json", found)) == found
    assert found.of("any", "card").found("card AB12, not xAB12") == ("AB12",)
    assert found.of("any", "size").found("TINY, tinyer") == ("small",) and found.of("any", "other") is None
    spots = Recogniser("to", {"New York": (), "York": ()}, "York [A-Z]").mentions("York to New York, York X")
    assert [(one.start, one.value) for one in spots] == [(0, "York"), (8, "New York"), (18, "York X")]


def listed(*instances, slots=None):
    named = {"city": {"rec_type": "list", "instances": list(instances)}}
    return {"recognizers": named, "slots": slots or {"destination": "city"}}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"schema": {"a": 1}}, "schema.json: expected a list of functions, OpenAPI with 'paths', or 'skills'"),
        ({"schema": []}, "no function in it"),
        ({"schema": [{"name": "f"}]}, "schema.json: f: no description; retrieval needs it to find the function"),
        ({"schema": [{"name": "f", "description": "F", "parameters": {"properties": {"x": 3}}}]}, "parameter 'x'"),
        ({"schema": [FUNCTIONS[0], FUNCTIONS[0]]}, "the skill 'buy_ticket' occurs twice"),
        ({"schema": "{"}, "schema.json: line 1, column 2"),
        ({"exemplars": [{"template": "x"}]}, "entry 1: expected 'target_name' or 'owner'"),
        ({"exemplars": {"BuyTicket": [{"template": 3}]}}, "entry 1: expected a 'template' or an 'utterance'"),
        ({"exemplars": {"BuyTicket": ["x"]}}, "entry 1: expected an object"),
        ({"recognisers": listed(slots={"destination": "town"})}, "slot 'destination': no recogniser 'town'"),
        ({"recognisers": listed({"label": "a", "expressions": "b"})}, "'expressions' is 'b', expected texts"),
        ({"recognisers": listed({"label": "a", "expressions": ["x"]}, {"label": "b", "expressions": ["X"]})},
         "'X' means 'a' and 'b'"),
        ({"recognisers": {"city": {"rec_type": "regex"}}}, "rec_type 'regex'"),
        ({"recognisers": {"city": {"pattern": "("}}}, "pattern '(': missing )"),
        ({"recognisers": {"city": {"pattern": "a*"}}}, "matches the empty text"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused_in_one_line(tmp_path: Path, files, message):
    folder = write_module(
        tmp_path / "office", **{"schema": FUNCTIONS, "exemplars": None, "recognisers": CITIES, **files}
    )
    with pytest.raises(LabError) as refused:
        load_exemplars(str(folder))
    assert message in str(refused.value)
