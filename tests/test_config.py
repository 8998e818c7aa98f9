"""Recipes and assignments: what each way to write a value means for each type of setting, in both places alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from lab_lib.config import as_dict, build, override, parse_yaml, to_yaml
from lab_lib.errors import LabError
from lab_lib.runs.config import load_recipe
from lab_lib.sweeps.grid import parse_grid


@dataclass(frozen=True)
class Section:
    whole: int = 1
    number: float = 1.0
    text: str = "a"
    yes: bool = False
    maybe: int | None = 7
    year: Literal["2022", "2023"] = "2022"
    bits: Literal[4, 8] = 8
    words: tuple[str, ...] = ("a",)


@dataclass(frozen=True)
class Other(Section):
    more: int = 2


@dataclass(frozen=True)
class Settings:
    section: Section = field(default_factory=Section)
    other: dict = field(default_factory=dict)


def read(key: str, text: str):
    """Return the setting `key` written as `text`, or what the complaint says; in a file and assigned it is the same."""
    found = []
    for values in (parse_yaml(f"section:\n  {key}: {text}\n", "f"), override({}, [f"section.{key}={text}"])):
        try:
            found.append(getattr(build(Settings, values, "f").section, key))
        except LabError as error:
            found.append(str(error))
    assert repr(found[0]) == repr(found[1])
    return found[0]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("whole", "1234", 1234), ("whole", "-3", -3), ("whole", "+3", 3), ("whole", "0", 0),
        ("number", "3", 3.0), ("number", ".5", 0.5), ("number", "2e-4", 2e-4), ("number", "1.5E+3", 1500.0),
        ("number", "'2e-4'", 2e-4), ("number", "-0.5", -0.5), ("number", "5.", 5.0),
        ("text", "1234567", "1234567"), ("text", "0123456", "0123456"), ("text", "12e5678", "12e5678"),
        ("text", "yes", "yes"), ("text", "No", "No"), ("text", "on", "on"), ("text", "off", "off"),
        ("text", "2024-01-01", "2024-01-01"), ("text", "1:30", "1:30"), ("text", "1_000", "1_000"),
        ("text", "0x10", "0x10"), ("text", "nan", "nan"), ("text", "'true'", "true"), ("text", "=", "="),
        ("yes", "true", True), ("yes", "False", False), ("maybe", "null", None), ("maybe", "", None),
        ("maybe", "~", None),
        ("year", "2023", "2023"), ("year", "'2023'", "2023"), ("bits", "4", 4),
        ("words", "b", ("b",)), ("words", "[no, 010, 7]", ("no", "010", "7")),
    ],
)  # fmt: skip
def test_a_value_is_what_a_person_reads(key, text, value):
    found = read(key, text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "text", "complaint"),
    [
        ("whole", "010", "expected int, found '010' (str); write 10"),
        ("whole", "!!int 010", "expected int, found '010' (str); write 10"),
        ("whole", "1:30", "expected int, found '1:30' (str)"),
        ("whole", "1_000", "expected int, found '1_000' (str); write 1000"),
        ("whole", "0x10", "expected int, found '0x10' (str)"),
        ("whole", "1e3", "expected int, found '1e3' (str); write 1000"),
        ("whole", "10.0", "expected int, found '10.0' (float)"),
        ("whole", "true", "expected int, found 'true' (bool)"),
        ("whole", "2024-01-01", "expected int, found '2024-01-01' (str)"),
        ("whole", "null", "expected int, found 'None' (NoneType)"),
        ("number", "010", "expected float, found '010' (str); write 10"),
        ("number", "1_000.5", "expected float, found '1_000.5' (str)"),
        ("number", "nan", "expected float, found 'nan' (str)"),
        ("number", ".inf", "expected float, found '.inf' (str)"),
        ("number", "1.0e999", "expected float, found 'inf' (float)"),
        ("number", "1e999", "expected float, found '1e999' (str)"),
        ("number", "no", "expected float, found 'no' (str)"),
        ("number", "٣", "expected float, found '٣' (str)"),
        ("text", "true", "expected str, found 'true' (bool); put it in quotes"),
        ("text", "1.10", "expected str, found '1.1' (float); put it in quotes"),
        ("yes", "on", "expected bool, found 'on' (str); write true"),
        ("yes", "No", "expected bool, found 'No' (str); write false"),
        ("yes", "1", "expected bool, found '1' (int)"),
        ("year", "2024", "'2024' is not possible; did you mean '2023'?"),
        ("year", "true", "'True' is not possible"),
        ("bits", "4.0", "'4.0' is not possible"),
        ("bits", "true", "'True' is not possible"),
    ],
)
def test_a_value_that_can_be_misread_is_refused_in_one_line(key, text, complaint):
    found = read(key, text)
    assert isinstance(found, str) and f"{key}: {complaint}" in found and "\n" not in found


@pytest.mark.parametrize(
    ("text", "kind"), [("false", "bool"), ("0", "int"), ('""', "str"), ("[]", "list"), ("'no'", "str"), ("yes", "str")]
)
@pytest.mark.parametrize("section", ["training", "lora", "task"])
def test_a_section_is_a_mapping(section, text, kind, tmp_path):
    complaint = f"{section}: expected a mapping of settings, found {kind}"
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"{section}: {text}\n")
    for arguments in ((str(recipe),), ("town-qlora-cpu", [f"{section}={text}"])):
        with pytest.raises(LabError) as refused:
            load_recipe(*arguments)
        assert str(refused.value).endswith(complaint)


@pytest.mark.parametrize("section", ["training", "lora", "task", "decoding", "sweep"])
def test_a_section_is_not_thrown_away_by_null(section, tmp_path):
    """Left out, or with a comment in every line, it has its defaults; `lora=null` after a recipe's section may be an
    accident."""
    recipe = tmp_path / "mine.yaml"
    for text in ("null", "~", ""):
        with pytest.raises(LabError, match=f"^{section}={text}: expected a mapping of settings, found null"):
            load_recipe("town-qlora-cpu", [f"{section}={text}"])
        recipe.write_text(f"{section}: {text}\n")
        if text:
            with pytest.raises(LabError, match=rf"mine\.yaml: {section}: expected a mapping of settings, found null"):
                load_recipe(str(recipe))
    recipe.write_text(f"recipe: x\n{section}:\n  # rank: 3\n")
    assert load_recipe(str(recipe)) == load_recipe(str(recipe), ["lora={}"])


@pytest.mark.parametrize(
    ("assignments", "lost"),
    [
        (["lora={}"], "lora.alpha"), (["training={steps: 3}"], "training.batch_size"), 
        (["task=&a {}"], "task.database"), (["evaluation.seed=3", "evaluation={resamples: 2}"], "evaluation.seed"),
    ],
)  # fmt: skip
def test_a_section_is_not_thrown_away_by_another_one(assignments, lost):
    with pytest.raises(LabError, match=rf"discard {lost}; give each setting as {lost.split('.')[0]}\.KEY="):
        load_recipe("town-qlora-cpu", assignments)


LAYERS = ", ".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("[" * 5000, "nested too deeply"), ("{a: " * 5000, "nested too deeply"),
        (f"{{a: &a [{'x' * 90}], {LAYERS}}}", "more than 1,000,000 characters with its aliases written out"),
        ("&a [*a]", "with its aliases written out"), ("x" * 2_000_000, "at most 1,000,000"),
        ("{rank: 4, alpha: 3, rank: 8}", "the key 'rank' occurs twice"), ("\0", "special characters"),
    ],
)  # fmt: skip
def test_values_of_yaml_have_bounds(value, reason):
    """Each is one short line, on the command line and in a file."""
    for read in (lambda: override({}, [f"lora={value}"]), lambda: parse_yaml(f"lora: {value}", "f")):
        with pytest.raises(LabError) as refused:
            read()
        assert reason in str(refused.value) and len(str(refused.value)) < 400 and "\n" not in str(refused.value)


@pytest.mark.parametrize("value", ["x" * 100_000, "[" + "1, " * 2_000 + "1]", "{" + "x" * 9_000 + ": 1}"])
def test_a_long_value_is_cut_in_messages(value):
    for key in ("training.steps", "training.schedule", "training"):
        with pytest.raises(LabError) as refused:
            load_recipe("town-qlora-cpu", [f"{key}={value}"])
        assert len(str(refused.value)) < 500


def test_a_section_of_null_has_the_defaults_and_can_be_assigned_to():
    for values in ({}, {"section": None}, {"section": {}}):
        assert build(Settings, values) == Settings()
    values = {"section": None, "other": {"deep": {"er": 1}}}
    assert override(values, ["section.whole=2", "other.deep.er=2"]) == {
        "section": {"whole": 2},
        "other": {"deep": {"er": 2}},
    }
    assert values == {"section": None, "other": {"deep": {"er": 1}}}, "the values given are left as they were"


def test_a_section_may_be_given_built():
    other = Other(whole=5)
    assert build(Settings, {"section": other}).section is other


def test_numbers_of_a_grid_are_read_by_the_same_rules():
    grid = parse_grid(["data.max_train=10,010,1:30,no", "training.learning_rate=2e-4,0.5"])
    assert grid == {"data.max_train": [10, "010", "1:30", "no"], "training.learning_rate": ["2e-4", 0.5]}


@pytest.mark.parametrize(
    "text", ["1234567", "0123456", "12e5678", "1e-05", "1.10", "no", "true", "null", "2024-01-01", "~", ""]
)
def test_what_is_written_is_read_again(text):
    settings = Settings(Section(text=text, number=1e-05, words=(text,)))
    again = build(Settings, parse_yaml(to_yaml(settings), "f"))
    assert again == settings and as_dict(again) == as_dict(settings)
