"""GBNF grammars and tools of others: both ways out of and into skills agree with the checks of calls."""

from __future__ import annotations

import math
import random
import re

import pytest
from gbnf_reader import read_gbnf, written
from hypothesis import given, settings
from some_calls import calls

from lab_lib.calls.call import Call
from lab_lib.calls.examples.bundled import HELD_OUT, TRAIN, example_files
from lab_lib.calls.examples.parse import read_examples
from lab_lib.calls.skills.bounds import MAX_LENGTH
from lab_lib.calls.skills.check import call_text, check_call, read_call
from lab_lib.calls.skills.gbnf import gbnf
from lab_lib.calls.skills.load import load_skills
from lab_lib.calls.skills.skill import Skills, tool
from lab_lib.calls.skills.tools import given_arguments, skills_of_tools
from lab_lib.errors import LabError

HOME = load_skills(["home"])
GRAMMAR = read_gbnf(gbnf(HOME))
ODD = [
    'say "hi"',
    "back\\slash",
    "9*9",
    "O'Hare",
    "São Paulo",
    "東京",
    "🎉👩‍👩‍👧",
    "x" * MAX_LENGTH,
    "a\nb",
    "\0",
    "none()",
]


def test_every_gold_call_and_every_odd_text_is_within_the_grammar():
    files = [read_examples(path) for path in example_files([TRAIN, HELD_OUT])]
    calls = {one.call for file in files for one in file.prompt_examples + file.examples}
    calls |= {call_text(check_call(Call("weather", {"location": text}), HOME)) for text in ODD}
    assert len(calls) > 800 and [text for text in calls if not GRAMMAR.fullmatch(text)] == []


@settings(max_examples=30, deadline=None)
@given(calls(HOME))
def test_every_call_that_the_checks_accept_is_within_the_grammar(call):
    assert GRAMMAR.fullmatch(call_text(check_call(call, HOME)))


def test_every_text_of_the_grammar_is_a_call_that_the_checks_accept():
    draw = random.Random(0)
    texts = [written(GRAMMAR, draw) for _ in range(300)]
    assert all(GRAMMAR.fullmatch(text) and read_call(text, HOME) for text in texts)
    assert len({text.partition("(")[0] for text in texts}) == 11


@pytest.mark.parametrize(
    "text",
    [
        f'weather(location="{"x" * (MAX_LENGTH + 1)}")', 'weather(location="")', 'weather(location="a"b")', "weather()",
        'weather(day="today", location="Rome")', 'weather(location="Rome",day="today")', 'weather(location="Rome"',
        "set_timer(minutes=0)", "set_timer(minutes=1441)", "set_timer(minutes=05)", 'set_alarm(time="24:00")',
        'set_light(room="attic", on=True)', "add_to_list(items=[])", 'calculate(expression="a")', "none(x=1)",
        'convert(amount=5, unit="km", to="miles")', 'convert(amount=1000000000.5, unit="km", to="miles")', "none()\n",
        'weather(location="\\q")', "open(path=1)",
    ],
)  # fmt: skip
def test_what_no_check_accepts_is_not_in_the_grammar(text):
    assert not GRAMMAR.fullmatch(text)


def test_names_that_differ_in_underscores_are_different_rules():
    names = {"a": "b_c", "a_b": "c"}
    skills = skills_of_tools([a_tool(name, {key: {"type": "boolean"}}, [key]) for name, key in names.items()])
    for text in ("a(b_c=True)", "a_b(c=False)"):
        assert read_gbnf(gbnf(skills)).fullmatch(text) and read_call(text, skills)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("[a-c]+", "abc", "abd"),
        (r"\d{2}:\d{2}", "12:30", "1:30"),
        ("(?:yes|no)?!", "yes!", "maybe!"),
        ("[^x-z]{2,3}?", "ab", "ax"),
        (r"\w+\.?", "a_1.", "a b"),
        ("[]a-]+", "-a]", "b"),
        ("a+ b+", "aaaa bbbb", "a" * 9 + " b"),  # each has half of the room
        ("[(]東[)]", "(東)", "東"),
    ],
)
def test_patterns(pattern, good, bad):
    schema = {"type": "string", "pattern": f"^(?:{pattern})$", "maxLength": 10}
    skills = skills_of_tools([a_tool("f", {"x": schema}, ["x"])])
    expression = read_gbnf(gbnf(skills))
    assert expression.fullmatch(f'f(x="{good}")') and not expression.fullmatch(f'f(x="{bad}")')
    assert read_call(f'f(x="{good}")', skills)


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "a{11}", "(?:abc)+", "a*"])
def test_patterns_without_a_grammar_are_refused_by_name(pattern):
    schema = {"type": "string", "pattern": f"^(?:{pattern})$", "maxLength": 10}
    with pytest.raises(LabError, match="f, parameter x: "):
        gbnf(skills_of_tools([a_tool("f", {"x": schema}, ["x"])]))


# ---- tools -----------------------------------------------------------------------------------------------------
def a_tool(name: str, properties: dict, required: list[str], **more) -> dict:
    parameters = {"type": "object", "properties": properties, "required": required, **more}
    return {"type": "function", "function": {"name": name, "description": "Does it.", "parameters": parameters}}


def test_tools_come_back_as_the_skills_they_were_made_of():
    found = skills_of_tools([tool(skill) for skill in HOME.values()])
    assert isinstance(found, Skills) and {name: tool(skill) for name, skill in found.items()} == {
        name: tool(skill) for name, skill in HOME.items()
    }


def test_a_caller_gets_every_argument_that_its_tool_requires():
    tools = [
        a_tool("book", {"city": {"type": "string"}, "nights": {"type": ["integer", "null"]},
                        "stars": {"type": "integer", "default": 3}, "pets": {"type": "boolean"}},
               ["city", "nights", "stars"], additionalProperties=False)
    ]  # fmt: skip
    skills = skills_of_tools(tools)
    assert skills["book"].function.required == ("city",)
    call = read_call('book(stars=3, city="Rome")', skills)
    assert given_arguments(call, tools) == {"city": "Rome", "nights": None, "stars": 3}


TEXT = {"type": "string"}
NESTED: dict = {"type": "array"}
for _ in range(3000):
    NESTED = {"type": "array", "items": NESTED}
REFUSED = {
    "tools[0]: expected": {"type": "code_interpreter"},
    "tools[0]: 'name' is None": {"type": "function", "function": {}},
    "no description": {"type": "function", "function": {"name": "f"}},
    "tools[0]: name 'get-weather': expected ASCII letters, digits and single underscores; hyphens are not": a_tool(
        "get-weather", {}, []
    ),
    "tools[0]: 'none' is reserved": a_tool("none", {}, []),
    "parameter x: type 'object'": a_tool("f", {"x": {"type": "object"}}, []),
    "keyword 'format' is not supported for type string": a_tool("f", {"x": {"type": "string", "format": "date"}}, []),
    "key 'oneOf' is not supported": a_tool("f", {}, [], oneOf=[]),
    "$ref 'x': expected one of the definitions": a_tool("f", {"x": {"$ref": "x"}}, [], **{"$defs": []}),
    "anyOf [{'type': 'string'}, {'type': 'integer'}]: expected one type, and perhaps null": a_tool(
        "f", {"x": {"anyOf": [TEXT, {"type": "integer"}]}}, []
    ),
    "no additionalProperties": a_tool("f", {}, [], additionalProperties=True),
    "'required' is ['y']": a_tool("f", {"x": TEXT}, ["y"]),
    "'required' is [[1]]": a_tool("f", {"x": TEXT}, [[1]]),  # type: ignore[list-item]
    "minimum is -inf": a_tool("f", {"x": {"type": "number", "minimum": -math.inf}}, []),
    "pattern '(?u)a'": a_tool("f", {"x": {"type": "string", "pattern": "^(?:(?u)a)$"}}, []),
    "pattern 'a{9999": a_tool("f", {"x": {"type": "string", "pattern": f"^(?:a{{{'9' * 30}}})$"}}, []),
    "pattern '((((": a_tool("f", {"x": {"type": "string", "pattern": f"^(?:{'(' * 9000})$"}}, []),
    "elements: type 'array'": a_tool("f", {"x": NESTED}, []),
    "expected one of the whole text": a_tool("f", {"x": {"type": "string", "pattern": "a+"}}, []),
    "written '^(?:...)$'": a_tool("f", {"x": {"type": "array", "items": {"type": "string", "pattern": "^a|b$"}}}, []),
    "parameter x: type ['string', 'integer']": a_tool("f", {"x": {"type": ["string", "integer"]}}, []),
    "'properties' is": a_tool("f", {"x": 3}, []),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_a_skill_cannot_express_is_refused_by_name(said):
    with pytest.raises(LabError) as error:
        skills_of_tools([REFUSED[said]])
    assert said in str(error.value) and len(str(error.value)) < 300


def test_a_name_is_given_once():
    with pytest.raises(LabError, match=r"tools\[1\]: the name 'f' occurs twice"):
        skills_of_tools([a_tool("f", {}, []), a_tool("f", {}, [])])


def test_schemas_that_other_builders_write_are_the_same_skill():
    """Annotations restrict nothing; `$ref`, `const` and `anyOf` with null have another spelling here."""
    size = {"title": "Size", "description": "How big.", "enum": ["s", "l"], "type": "string"}
    null = {"type": "null"}
    theirs = a_tool(
        "f",
        {"a": {"title": "A", "examples": ["x"], "type": "string", "description": "An a."},
         "b": {"anyOf": [{"type": "integer", "minimum": 1}, null], "title": "B", "default": None},
         "c": {"$ref": "#/$defs/Size"}, "d": {"anyOf": [{"$ref": "#/$defs/Size"}, null]},
         "e": {"const": "x", "type": "string"}, "g": {"type": "array", "items": {"$ref": "#/$defs/Size"}}},
        ["a", "b", "c", "d", "e", "g"], title="F", description="F.", **{"$schema": "2020-12", "$defs": {"Size": size}},
    )  # fmt: skip
    ours = a_tool(
        "f",
        {"a": {"type": "string", "description": "An a."}, "b": {"type": ["integer", "null"], "minimum": 1},
         "c": {"type": "string", "enum": ["s", "l"], "description": "How big."},
         "d": {"type": ["string", "null"], "enum": ["s", "l", None], "description": "How big."},
         "e": {"type": "string", "enum": ["x"]},
         "g": {"type": "array", "items": {"type": "string", "enum": ["s", "l"]}}},
        ["a", "b", "c", "d", "e", "g"],
    )  # fmt: skip
    assert tool(skills_of_tools([theirs])["f"]) == tool(skills_of_tools([ours])["f"])


def test_another_reader_of_gbnf_takes_every_gold_call_and_no_planted_one():
    """llguidance's converter knows llama.cpp's syntax; it drops the zeros of code points that its expressions need."""
    llguidance = pytest.importorskip("llguidance", reason="the second reader is that of the extra `constrained`")
    from llguidance.gbnf_to_lark import any_to_lark

    lark = re.sub(r"\\U([0-9A-F]{2,6})", r"\\x{\1}", any_to_lark(gbnf(HOME)))
    bytewise = llguidance.LLTokenizer("byte")
    start = llguidance.LLMatcher(bytewise, llguidance.LLMatcher.grammar_from_lark(lark))
    assert not start.is_error(), start.get_error()

    def accepts(text: str) -> bool:
        state, ids = start.deep_copy(), bytewise.tokenize_str(text)
        return bool(state.try_consume_tokens(ids) == len(ids) and state.is_accepting())

    files = [read_examples(path) for path in example_files([TRAIN, HELD_OUT])]
    gold = {one.call for file in files for one in file.prompt_examples + file.examples}
    assert [call for call in gold if not accepts(call)] == []
    planted = ["weather()", 'weather(location="a"b")', 'weather(location="")', 'set_alarm(time="24:00")', "none()x"]
    assert [call for call in (*planted, "set_timer(minutes=1441)", "open(path=1)") if accepts(call)] == []
