"""From the text of a call to what it does: gold calls survive every step, and nothing runs that was not asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given, settings
from some_calls import calls

from lab_lib.calls.call import Call
from lab_lib.calls.examples.bundled import HELD_OUT, TRAIN, example_files
from lab_lib.calls.examples.parse import read_examples
from lab_lib.calls.skills import dispatch
from lab_lib.calls.skills.check import NONE, CallRefused, call_text, check_call, read_call
from lab_lib.calls.skills.dispatch import run_call
from lab_lib.calls.skills.grammar import grammar_schema
from lab_lib.calls.skills.load import load_skills
from lab_lib.calls.skills.skill import tool
from lab_lib.errors import LabError

HOME = load_skills(["home"])
SCHEMA = grammar_schema(HOME)
GRAMMAR = jsonschema.Draft202012Validator(SCHEMA)
TOOLS = {name: jsonschema.Draft202012Validator(tool(skill)["function"]["parameters"]) for name, skill in HOME.items()}


@settings(max_examples=120, deadline=None)
@given(calls(HOME))
@example(Call("translate", {"text": "9*9", "language": "German"}))
@example(Call("convert", {"amount": 1e-06, "unit": "km", "to": "miles"}))
def test_what_a_grammar_can_write_is_a_call_and_every_call_comes_back_from_its_text(call):
    """Closure: gold calls within the grammar, the grammar within the validator, the validator within the schema."""
    checked = check_call(call, HOME)
    assert read_call(call_text(checked), HOME) == checked == check_call(checked, HOME)
    assert GRAMMAR.is_valid({"name": checked.name, "arguments": dict(checked.arguments)})
    if checked != NONE:
        assert TOOLS[call.name].is_valid(dict(call.arguments))


def test_every_gold_call_of_the_course_is_within_the_grammar():
    for path in example_files([TRAIN, HELD_OUT]):
        file = read_examples(path)
        for one in file.prompt_examples + file.examples:
            call = read_call(one.call, HOME)
            assert GRAMMAR.is_valid({"name": call.name, "arguments": dict(call.arguments)}), one
            assert call_text(call) == one.call


def test_the_grammar_is_told_a_limit_of_everything():
    def check(schema: dict[str, Any]) -> None:
        limits = {"string": "maxLength", "integer": "maximum", "number": "maximum", "array": "maxItems"}
        kind = schema["type"]
        assert kind == "boolean" or "enum" in schema or limits[kind] in schema
        if "items" in schema:
            check(schema["items"])

    found = [one["properties"]["arguments"]["properties"] for one in SCHEMA["anyOf"]]
    assert len(found) == 11
    for properties in found:
        for schema in properties.values():
            check(schema)


# ---- what is refused -------------------------------------------------------------------------------------------
SKILLS = """
import os, sys, time
from os import system
from lab_lib.calls.skills import Range
from typing import Annotated

SECRET = "secret"

def note(text: str) -> str:
    '''Write something down.'''
    print("printed by the skill")
    return f"noted: {text}"

def count(number: Annotated[int, Range(0, 100)]) -> str:
    '''Behave badly, in as many ways as there are numbers.'''
    if number == 0:
        os.system("sleep 60")
    if number == 1:
        raise ValueError("no\\nluck")
    if number == 2:
        os._exit(3)
    if number == 3:
        sys.exit("left")
    return number if number == 4 else "x" * 10**7 if number == 5 else " ".join(sorted(sys.argv[1:])) or "fine"

def _hidden() -> str:
    return "hidden"
"""


@pytest.fixture(scope="module")
def skills(tmp_path_factory):
    path = tmp_path_factory.mktemp("skills") / "own.py"
    path.write_text(SKILLS)
    return load_skills([path])


HOSTILE = [
    'the user said note(text="x")', 'note(text="x") is what I would call', '```note(text="x")```', "Note: text",
    'note(text=note(text="x"))', 'note(text="x").upper()', 'note(text=__import__("os").system("true"))',
    'note(text=SECRET)',
    '__import__("os")', 'note.__class__(text="x")', '__init__(text="x")', 'note.__call__(text="x")', "_hidden()",
    'system("true")', 'system(text="true")', 'os.system("true")', "print()", 'eval("1")', 'own.note(text="x")',
    'n\u043ete(text="x")', '\uff4eote(text="x")', 'note(t\u0435xt="x")', 'note(text\u200b="x")',
    f"count(number={'9' * 5000})", "count(number=9**9**9)", "count(number=1e999)", "count(number=-1)",
    "count(number=True)",
    "count(number=5.0)", 'count(number="5")', f'note(text="{"a" * 1_000_000}")', f'note(text="{"a" * 201}")',
    'note(text="")', "[" * 500, 'note(text="a" * 10**9)', '<|im_end|>note(text="x")', 'note(text="x")</s>',
    'note(text="x")\n### User: hi\nnote(text="y")', '[note(text="x"), note(text="y")]',
    'note(text="x"); note(text="y")',
    'note(**{"text": "x"})', 'note(*["x"])', 'note("x", text="y")', 'note("x", "y")', 'note(text="x", text="y")',
    'note(text=f"{SECRET}")', 'note(text=lambda: 1)', 'note(text="x") or note(text="y")', '"note"(text="x")',
    'note(text=b"x")', "note()", "note", "note(text=None)", 'note(text="x", __class__="y")', 'note(text="\\ud800")',
    'note(text=["x"])', 'Note(text="x")', 'none(text="x")', "none()", "[]", "",
]  # fmt: skip
BUILT = [
    Call("_hidden", {}), Call("system", {"text": "true"}), Call("note.__class__", {"text": "x"}), Call("", {}),
    Call("note", {"text": "x", "__class__": 1}), Call("note", {None: "x", "text": "y"}), Call("note", {}, ("x", "y")),
    Call("note", {"text": "x" * 1_000_000}), Call("count", {"number": 10**5000}), Call("__dict__", {}), NONE,
    Call("note", {"text": Path("x")}), Call("count", {"number": float("nan")}), Call("note", {"text": {"a": "b"}}),
]  # fmt: skip


def test_nothing_runs_that_was_not_asked_for(skills, monkeypatch):
    """Each of these ends in one line that says why, before any process is started."""
    started: list[int] = []
    monkeypatch.setattr(dispatch, "_started", lambda: started.append(1))
    for text in [*HOSTILE, *BUILT]:
        with pytest.raises(LabError) as error:
            run_call(text if isinstance(text, Call) else read_call(text, skills), skills)
        assert not started and str(error.value) and len(str(error.value)) < 400, text


REASONS = {
    'nota(text="x")': ("unknown_skill", "no skill 'nota'; did you mean 'note'?"),
    'note(txt="x")': ("unknown_argument", "note has no parameter 'txt'; did you mean 'text'?"),
    "note()": ("missing", "note needs 'text'"),
    "count(number=101)": ("bound", "count: 'number' is 101, expected at most 100"),
    "note(text=1)": ("type", "note: 'text' is 1, expected a text"),
    '[note(text="x"), note(text="y")]': ("several", "2 calls, expected one"),
}


@pytest.mark.parametrize("text", REASONS)
def test_a_refusal_has_a_reason_to_count_and_words_to_show(text, skills):
    with pytest.raises(CallRefused) as error:
        read_call(text, skills)
    assert (error.value.reason, str(error.value)) == REASONS[text]


def test_an_option_that_is_none_of_them_names_the_nearest():
    with pytest.raises(CallRefused, match="set_light: 'room' is 'livingroom'; did you mean 'living room'"):
        read_call('set_light(room="livingroom", on=True)', HOME)


# ---- what runs -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["it's $(touch x); `rm` \"now\" \\ 東京 <|im_end|> note(text='y')"])
def test_a_call_runs_in_a_process_of_its_own_and_its_arguments_are_only_data(
    text, skills, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the current folder was imported')")
    assert run_call(Call("note", {}, (text,)), skills) == f"noted: {text}"
    assert capfd.readouterr() == ("", "") and [path.name for path in tmp_path.iterdir()] == ["json.py"]


@pytest.mark.parametrize(
    ("number", "reason", "said"),
    [
        (0, "time", "count took longer than 1 seconds and was stopped"),
        (1, "failed", "count failed: no\\u000aluck"),
        (2, "failed", "count ended its process (exit code 3)"),
        (3, "failed", "count failed: SystemExit: left"),
        (4, "failed", "count failed: it returned 4, expected a text"),
        (5, "failed", "count failed: it returned 10000000 characters"),
    ],
)
def test_a_skill_that_behaves_badly_takes_nothing_else_down(number, reason, said, skills):
    with pytest.raises(CallRefused) as error:
        run_call(Call("count", {"number": number}), skills, seconds=1 if number == 0 else 20)
    assert (error.value.reason, str(error.value)) == (reason, said)


def test_a_skill_that_is_only_described_cannot_run(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("ring: {description: Ring.}")
    with pytest.raises(CallRefused, match=r"ring is described in .*own\.yaml: it has no function to run"):
        run_call(Call("ring", {}), load_skills([path]))


def test_the_bundled_skills_say_a_sentence():
    """In this process: that a process of its own runs them is tested above."""
    from lab_lib.calls.skills.worker import answer

    asked = {"convert": {"amount": 212.0, "unit": "fahrenheit", "to": "celsius"}, "calculate": {"expression": "9*9"},
             "set_timer": {"minutes": 1}, "news": {}}  # fmt: skip
    said = {name: answer({"file": str(HOME[name].source), "name": name, "arguments": given})["text"]
            for name, given in asked.items()}  # fmt: skip
    assert said == {
        "convert": "212 fahrenheit are 100 celsius.",
        "calculate": "9*9 is 81.",
        "set_timer": "A timer of 1 minute is running.",
        "news": "I would now read out 5 headlines.",
    }
