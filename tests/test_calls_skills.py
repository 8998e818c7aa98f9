"""Skills: one description, from a Python function or a YAML entry, and schemas that other builders agree with."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_lib.calls.skills import Length, Pattern, Range
from lab_lib.calls.skills.annotations import schema_of
from lab_lib.calls.skills.bounds import limited
from lab_lib.calls.skills.load import HOME, load_skills
from lab_lib.calls.skills.parameters import make_parameter
from lab_lib.calls.skills.signature import skill_of
from lab_lib.calls.skills.skill import prompt_text, tool
from lab_lib.calls.skills.values import Unfit, decimals, fitted
from lab_lib.errors import LabError

DRAFT = jsonschema.Draft202012Validator
HEAD = "from typing import *\nfrom lab_lib.calls.skills import Length, Pattern, Range\n"
DOES = ' -> str:\n    """Does it."""\n    return ""\n'

YAML = """
set_timer:
  description: Start a countdown; a name tells it from others.
  parameters:
    minutes: {type: integer, minimum: 1, maximum: 1440}
    name: {type: string, default: null}
set_alarm:
  description: "Wake the user at a time of the day (HH:MM, 24 hours); repeat: every day."
  parameters:
    time: {type: string, pattern: "([01][0-9]|2[0-3]):[0-5][0-9]"}
    repeat: {type: boolean, default: false}
add_to_list:
  description: Put things on a list.
  parameters:
    items: {type: array, items: {type: string, minLength: 1, maxLength: 80}, minItems: 1, maxItems: 10}
    target: {type: string, enum: [shopping, to-do], default: shopping}
"""


def written(folder: Path, text: str, name: str = "skills.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_and_python_describe_the_same_skills(tmp_path):
    home, described = load_skills(["home"]), load_skills([written(tmp_path, YAML, "skills.yaml")])
    assert described and all(tool(skill) == tool(home[name]) for name, skill in described.items())
    assert all(skill.function == home[name].function for name, skill in described.items())


def test_the_tools_are_json_schema_and_say_all_that_the_signature_says():
    tools = {skill.name: tool(skill)["function"] for skill in load_skills([HOME]).values()}
    assert len(tools) == 10 and json.loads(json.dumps(tools)) == tools
    for described in tools.values():
        DRAFT.check_schema(described["parameters"])
        assert described["parameters"]["additionalProperties"] is False and described["description"]
    assert tools["play_music"]["parameters"]["properties"]["volume"] == {
        "type": ["integer", "null"], "minimum": 0, "maximum": 100, "default": None}  # fmt: skip
    assert tools["set_light"]["parameters"]["required"] == ["room", "on"]


def test_a_prompt_shows_the_signature_and_the_texts():
    def ring(bell: Annotated[int, Range(1, 3)], how: Literal["low", "high"] = "low", who: str | None = None) -> str:
        """Ring a bell
        of the house.

        Args:
            bell: Which one,
                from the door on.
            who: Whom it is for.
        """
        return ""

    assert prompt_text(skill_of(ring)) == (
        'ring(bell: int 1..3, how: "low" | "high" = "low", who: str = None)\nRing a bell of the house.\n'
        "  bell: Which one, from the door on.\n  who: Whom it is for."
    )


REFUSED = {
    "def f(x: dict)": "dict is not a type of a parameter; accepted: str, int",
    "def f(x: list)": "a list needs the type of its elements; write for example 'list[str]'",
    "def f(x: List)": "a list needs the type of its elements",
    "def f(x: set)": "set is not a type",
    "def f(x: list[list[int]])": "list[list[int]] is not a type",
    "def f(x: list[int | None])": "is not a type",
    "def f(x: int | str)": "int | str is not a type",
    "def f(x)": "parameter x has no type; write for example 'x: str'",
    "def f(*x: int)": "'*x: int': every parameter has a name of its own",
    "def f(**x: int)": "'**x: int': every parameter",
    "def f(x: int, /)": "every parameter has a name of its own",
    "def f(x: Literal['a', 1])": "all texts or all whole numbers",
    "def f(x: int = None)": "Optional and the default None belong together",
    "def f(x: Optional[int])": "Optional and the default None belong together",
    "def f(x: int = 2.0)": "parameter x: the default is 2.0, expected a whole number",
    "def f(x: Annotated[int, Range(1, 3)] = 4)": "the default is 4, expected at most 3",
    "def f(x: Annotated[str, Range(1, 3)])": "Range(low=1, high=3) does not bound str",
    "def f(x: Annotated[int, Range(3, 1)])": "minimum 3 lies above maximum 1",
    "def f(x: Annotated[str, Pattern('(')])": "pattern '(': missing )",
    "def f(x: Annotated[str, 'words'])": "'words' does not bound str",
    "def f(x: 'nothing')": "its annotations cannot be read: NameError",
    "def f(_x: int)": "parameter '_x': expected ASCII letters",
    "def f(ｘé: int)": "parameter 'xé': expected ASCII letters",
    "async def f(x: int)": "not async",
}


@pytest.mark.parametrize(("head", "said"), REFUSED.items(), ids=list(REFUSED))
def test_every_other_signature_is_refused_in_one_line(head, said, tmp_path):
    path = written(tmp_path, f"{HEAD}{head}{DOES}")
    with pytest.raises(LabError) as error:
        load_skills([path])
    assert f"{path}: f" in str(error.value) and said in str(error.value) and "\n" not in str(error.value)


FILES = {
    f"def f(){DOES}def g():\n    'Does it.'\n": "g: write '-> str' behind its parameters",
    "def f() -> str: return ''\n": "f: no docstring",
    f"@overload\ndef f(x: int) -> str: ...\ndef f(x: str){DOES}": "line 4 and line 5 both define 'f'",
    f"class f:\n    {inspect.cleandoc('x = 1')}\n": "no skill here",
    "def f(": "line 3: not Python",
    "import nothing_of_that_name": "importing it failed: ModuleNotFoundError",
    f"def none(){DOES}": "'none' is reserved",
    f"def f(){DOES}if 1:\n    try:\n        def g(): ...\n    finally: pass\n": "line 8: the function 'g' would not "
    "be a skill; write it with 'def' outside",
    f"def f(){DOES}g = lambda: ''\n": "line 6: the function 'g' would not be a skill",
    f"def f(){DOES}f = 3\n": "f: a skill is a function, found int",
    'def f(a: str) -> str:\n    """D.\n\n    Parameters\n    ----------\n    a : str\n    """\n': "has 'Parameters'; "
    "describe parameters below 'Args:', as 'name: what it is'",
    'def f(a: str) -> str:\n    """D.\n\n    :param a: A.\n    """\n': "has ':param'",
    'def f(a: str) -> str:\n    """D.\n\n    Args:\n        b: B.\n    """\n': "describes 'b'; valid: a",
}


@pytest.mark.parametrize(("text", "said"), FILES.items(), ids=list(FILES.values()))
def test_files_that_hold_no_proper_skills(text, said, tmp_path):
    with pytest.raises(LabError, match=r"skills\.py: ") as error:
        load_skills([written(tmp_path, HEAD + text)])
    assert said in str(error.value)


DESCRIBED = {
    "f: {description: D, parameter: {}}": "f: key 'parameter' is not supported; did you mean 'parameters'?",
    "f: {parameters: {}}": "f: no description",
    "f: {description: D, parameters: {x: {type: str}}}": "x: type 'str' is not supported; did you mean 'string'?",
    "f: {description: D, parameters: {x: {type: object}}}": "parameter x: type 'object'",
    "f: {description: D, parameters: {x: {type: integer, maxLength: 3}}}": "keyword 'maxLength' is not supported "
    "for type integer; valid: default, description, enum, maximum, minimum, type",
    "f: {description: D, parameters: {x: {type: array, items: {type: string, description: D}}}}": "elements: "
    "keyword 'description' is not supported for type string; valid: enum, maxLength, minLength, pattern, type",
    "f: {description: D, parameters: {x: {type: string, default: ''}}}": "default has 0 characters, expected at",
    "f: {description: D, parameters: {x: {type: array}}}": "a list needs 'items'",
    "f: {description: D, parameters: {x: {type: string, enum: [a, a]}}}": "occurs twice",
    "f: {description: D, parameters: {x: {type: string, maxLength: -1}}}": "maxLength is -1, expected at least 0",
    "f: {description: D}\nf: {description: E}": "the key 'f' occurs twice",
    "__init__: {description: D}": "skill '__init__': expected ASCII letters",
    "- f": "expected a mapping",
    "f: !!python/object/apply:os.system ['true']": "could not determine a constructor",
}


@pytest.mark.parametrize(("text", "said"), DESCRIBED.items(), ids=list(DESCRIBED))
def test_yaml_that_describes_no_skill(text, said, tmp_path):
    with pytest.raises(LabError, match=r"skills\.yaml: ") as error:
        load_skills([written(tmp_path, text, "skills.yaml")])
    assert said in str(error.value)


def test_helpers_methods_and_a_byte_order_mark_are_no_fault(tmp_path):
    inside = f"def ring(){DOES}if 1:\n    def _g(): ...\nclass A:\n    def h(self): ...\n_k = lambda: ''\n"
    for name, text in {"a.py": inside, "b.yaml": "ring: {description: Ring.}"}.items():
        assert list(load_skills([written(tmp_path, f"\ufeff{text}", name)])) == ["ring"]


def test_a_pattern_that_no_grammar_can_say_is_noted(tmp_path, cli):
    path = written(tmp_path, "f: {description: D, parameters: {x: {type: string, pattern: '(?=a)b'}}}", "skills.yaml")
    code, _, stderr = cli("calls", "skills", path)
    assert code == 0 and stderr.startswith("1 skill\nnote: f, parameter x: pattern '(?=a)b': a lookahead or lookbehind")
    assert "cannot be in a grammar: task.answers=constrained" in stderr


def test_several_files_combine_and_one_name_is_there_once(tmp_path):
    one = written(tmp_path, f"from pathlib import Path\ndef ring(){DOES}def _help(): pass\n", "one.py")
    two = written(tmp_path, "ring: {description: Ring.}", "two.yaml")
    assert list(load_skills([one, "home"]))[:2] == ["ring", "weather"]
    with pytest.raises(LabError, match=r"two\.yaml: the skill 'ring' occurs twice, also in .*one\.py"):
        load_skills([one, two])
    with pytest.raises(LabError, match=r"one\.txt: .*\.py, \.yaml"):
        load_skills([tmp_path / "one.txt"])


# ---- oracles ---------------------------------------------------------------------------------------------------
ANNOTATIONS = [str, int, float, bool, Literal["a", "b"], Literal[1, 2], list[str], list[Literal["a"]], Optional[str]]  # noqa: UP045


def plain(schema: Any) -> Any:
    """A schema as one builder and the other mean it: without titles, and with one way to say null and one option."""
    if "anyOf" in schema:
        (inner,) = [one for one in schema["anyOf"] if one != {"type": "null"}]
        schema = {**inner, "type": [inner["type"], "null"]}
    schema = {key: value for key, value in schema.items() if key not in ("title", "nullable")}
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    return {**schema, "items": plain(schema["items"])} if "items" in schema else schema


def test_schemas_are_those_of_pydantic():
    pydantic = pytest.importorskip("pydantic", reason="pydantic comes with other packages only; it is an oracle here")
    for annotation in ANNOTATIONS:
        schema, optional = schema_of(annotation, "f")
        schema |= {"type": [schema["type"], "null"]} if optional else {}
        assert schema == plain(pydantic.TypeAdapter(annotation).json_schema())
    bounded = {
        Annotated[int, Range(1, 9)]: Annotated[int, pydantic.Field(ge=1, le=9)],
        Annotated[float, Range(high=0.5)]: Annotated[float, pydantic.Field(le=0.5)],
        Annotated[list[str], Length(1, 3)]: Annotated[list[str], pydantic.Field(min_length=1, max_length=3)],
        Annotated[str, Length(2, 4), Pattern("a+")]: Annotated[
            str, pydantic.Field(min_length=2, max_length=4, pattern="^(?:a+)$")
        ],
    }
    for ours, theirs in bounded.items():
        schema = make_parameter("x", schema_of(ours, "f")[0], "f").raw
        assert schema == plain(pydantic.TypeAdapter(theirs).json_schema())


def test_schemas_are_those_of_transformers_where_it_has_no_bounds_to_drop():
    utils = pytest.importorskip("transformers.utils", reason="transformers is an oracle here")

    def ring(bell: int, loud: float, how: Literal["low", "high"], names: list[str], again: bool = False) -> str:
        """Ring a bell.

        Args:
            bell: Which one.
            loud: How loud.
            how: In which way.
            names: For whom.
            again: Once more.
        """
        return ""

    ours, theirs = tool(skill_of(ring)), utils.get_json_schema(ring)
    parameters = ours["function"]["parameters"]
    assert parameters.pop("additionalProperties") is False and theirs["function"].pop("return", None)
    assert parameters["properties"]["again"].pop("default") is False
    assert ours == theirs


SCHEMAS = [
    {"type": "string", "pattern": "^(?:[a-c]*)$"},
    {"type": "string", "minLength": 2, "maxLength": 3},
    {"type": ["string", "null"], "enum": ["a", "b", None]},
    {"type": "integer", "minimum": -2, "maximum": 3},
    {"type": "integer", "enum": [0, 1]},
    {"type": ["number", "null"], "maximum": 2.5},
    {"type": "boolean"},
    {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
]
SCALARS = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.just(10**400) | st.floats() | st.text("abc\n\ud800", max_size=4)
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SCHEMAS), SCALARS | st.lists(SCALARS, max_size=3))
def test_values_are_checked_as_json_schema_does_but_for_what_json_cannot_tell(schema, value):
    """Refused beyond it: 5.0 for a whole number, more digits than are written, half pairs, NaN, a last line break."""
    try:
        found = fitted(value, schema)
    except Unfit:
        found = Unfit
    accepted = DRAFT({**limited(schema), "type": schema["type"]}).is_valid(value)
    odd = isinstance(value, float) and (value != value or value in (float("inf"), -float("inf")) or decimals(value) > 6)
    odd = odd or (isinstance(value, float) and "integer" in schema["type"]) or "\n" in str(value)
    odd = odd or (isinstance(value, list) and any(isinstance(one, float) for one in value)) or "\ud800" in str(value)
    assert found is not Unfit if accepted and not odd else found is Unfit or (accepted and found == value)
