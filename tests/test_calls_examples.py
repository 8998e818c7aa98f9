"""Example files: every line is understood or reported with its number; the linter says what would mislead a model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_lib.calls.call import Call
from lab_lib.calls.examples.bundled import HELD_OUT, TRAIN, example_files
from lab_lib.calls.examples.lint import lint
from lab_lib.calls.examples.parse import parse_examples, read_examples
from lab_lib.calls.examples.skeleton import NEAR, skeleton
from lab_lib.calls.examples.split import near_groups
from lab_lib.calls.examples.tables import table_to_examples
from lab_lib.calls.examples.types import ExampleFile, SkillExample
from lab_lib.calls.examples.write import examples_text, write_examples
from lab_lib.calls.skills.check import NONE, read_call
from lab_lib.calls.skills.load import load_skills
from lab_lib.calls.skills.skill import NO_SKILL_TEXT, prompt_text
from lab_lib.errors import LabError
from lab_lib.evaluation.nearest import Nearest

HOME = load_skills(["home"])
PATH = Path("weather_examples.txt")
HEAD = f"#### Prompt:\n{prompt_text(HOME['weather'])}\n\n#### Examples:\n"
OSLO = '### Assistant: weather(location="Oslo")\n'


def file_of(name: str, pairs: list[tuple[str, str]], path: Path = PATH) -> ExampleFile:
    prompt = NO_SKILL_TEXT if name == "none" else prompt_text(HOME[name])
    return ExampleFile(path, prompt, (), tuple(SkillExample(*pair) for pair in pairs))


def test_a_file_is_read_with_its_lines_and_whole_utterances():
    text = HEAD.replace("#### Ex", "#### Prompt Examples:\n### User: a\n" + OSLO + "\n#### Ex")
    file, findings = parse_examples(f"{text}### User:  one question: is it 9:30: in Oslo \r\n{OSLO}", PATH)
    assert findings == [] and file.prompt == prompt_text(HOME["weather"]) and len(file.prompt_examples) == 1
    (found,) = file.examples
    assert (found.utterance, found.call) == ("one question: is it 9:30: in Oslo", 'weather(location="Oslo")')
    assert (found.line, found.call_line) == (10, 11)


# The ten planted faults: each line, and what is said of it. Nothing else of the file is reported.
PLANTED: list[tuple[str, str]] = [
    ("#### Prompt:", ""),
    *((line, "") for line in prompt_text(HOME["weather"]).split("\n")),
    ("#### Prompt Exampels:", "unknown header '#### Prompt Exampels:'; did you mean 'Prompt Examples'?"),
    ("#### Examples:", ""),
    ("### User: is it wet in Oslo", ""),
    ('### Assistant: weather(location="Oslo")', ""),
    ("User: is it cold in Rome", "looks like an example; write '### User: ...'"),
    ('### Assistant: weather(location="Rome")', ""),
    ("### User: does it snow in Bern", ""),
    ("### User: how windy is it in Kiel", "two users in a row; the first, line 10, has no call"),
    ('### Assistant: weather(location="Kiel")', ""),
    ("is there fog in Lima", "text in '#### Examples:' that is not an example: 'is there fog in Lima'"),
    ("### User: storms in Lima soon", ""),
    ('### Asistant: weather(location="Lima")', "unknown line '### Asistant:'; did you mean 'Assistant'?"),
    ("### User: will Nuuk be sunny tomorrow", ""),
    ('### Assistant: weather(locaton="Nuuk")', "weather has no parameter 'locaton'; did you mean 'location'?"),
    ("### User: Is it wet in OSLO?", "has another call, 'weather(location=\"Oslo\")': planted.txt, line 6"),
    ('### Assistant: weather(location="OSLO")', ""),
    ("### User: how windy is it  in Kiel", "occurs twice: planted.txt, line 11"),
    ('### Assistant: weather(location="Kiel")', ""),
    ("### User: ten minutes for the rice", ""),
    ('### Assistant: set_timer(minutes=10, name="rice")', "this file is about 'weather'"),
    ("### User: the weekend in Graz, dry or wet", ""),
    ("### Assistant: weather('Graz', day='weekend')", 'write weather(location="Graz", day="weekend")'),
]


def test_the_reader_and_the_linter_name_all_ten_planted_faults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("planted.txt").write_text("\n".join(line for line, _ in PLANTED))
    found = [one for one in lint([Path("planted.txt")], [], HOME).findings if one.line]
    expected = {number: said for number, (_, said) in enumerate(PLANTED, 1) if said}
    assert len(expected) == 10 and [one.line for one in found] == list(expected)
    for one in found:
        assert expected[one.line] in str(one) and str(one).startswith(f"planted.txt: line {one.line}: ")
    with pytest.raises(LabError, match=r"planted\.txt: line 4: unknown header .* \(and 4 more; 'lab calls lint' lists"):
        read_examples("planted.txt")


FORMS = {
    "### User: a\n": "line 6: no '### Assistant:' follows this user",
    f"{OSLO}": "line 6: a call without a user before it",
    f"### User:\n{OSLO}": "line 6: no text after '### User:'",
    "### User: a\n### Assistant:\n": "line 7: no text after '### Assistant:'",
    f" ### User: a\n{OSLO}": "line 6: ' ### User: a' looks like an example; write '### User: ...'",
    f"###user : a\n{OSLO}": "line 6: '###user : a' looks like an example",
    f"##### User: a\n{OSLO}": "line 6: unknown header '##### User: a'",
    "#### Examples:\n": "line 6: a second '#### Examples:', the first is in line 5",
    "#### prompt examples:\n": "line 6: unknown header '#### prompt examples:'; did you mean 'Prompt Examples'?",
    f"#### Prompt Examples:\n### Human: a\n{OSLO}": "line 7: unknown line '### Human:'",
    "# a comment\n": "line 6: text in '#### Examples:' that is not an example: '# a comment'",
}


@pytest.mark.parametrize(("text", "said"), FORMS.items(), ids=list(FORMS))
def test_every_odd_line_is_reported(text, said):
    _, findings = parse_examples(HEAD.rstrip("\n") + "\n" + text, PATH)
    assert f"{PATH}: {said}" in str(findings[0])


def test_a_byte_order_mark_is_no_fault():
    assert parse_examples(f"\ufeff{HEAD}### User: a\n{OSLO}", PATH)[1] == []


def test_a_name_without_parentheses_is_told_its_call(tmp_path):
    path = tmp_path / "weather.txt"
    path.write_text(f"{HEAD}### User: a\n### Assistant: none\n")
    said = [one.message for one in lint([path], [], HOME).findings if one.line]
    assert said == ["'none': neither a call nor a list of calls: none; write none()"]


def test_groups_of_near_copies_are_those_of_comparing_each_with_each():
    """Their order too: sets are drawn from it by seed."""
    asked = [(one.utterance, read_call(one.call, HOME)) for name in ("weather", "weather_german", "none")
             for one in read_examples(TRAIN / f"{name}_examples.txt").examples]  # fmt: skip
    asked += [("Hallo", NONE), ("9*9", Call("calculate", {"expression": "9*9"})), ("hallo", NONE)]
    skeletons = [skeleton(*one) for one in asked]
    group = list(range(len(asked)))
    for place, (text, _) in enumerate(asked):
        for other in range(place):
            both, every = skeletons[place] & skeletons[other], skeletons[place] | skeletons[other]
            if text.casefold() == asked[other][0].casefold() or (both and len(both) / len(every) >= NEAR):
                old, new = group[place], group[other]
                group = [new if one == old else one for one in group]
    groups = {name: [place for place, one in enumerate(group) if one == name] for name in dict.fromkeys(group)}
    assert near_groups(asked) == list(groups.values()) and len(asked) > len(groups) > 100


def test_a_prompt_may_describe_a_parameter_called_user():
    text = HEAD.replace("\n\n####", "\n  user: Who asks.\n\n####")
    assert parse_examples(text, PATH)[1] == [] and "  user: Who" in parse_examples(text, PATH)[0].prompt


def test_sections_that_are_missing_empty_or_misplaced():
    texts = [str(one) for one in parse_examples("a\n### User: a\n#### Prompt:\n\n", PATH)[1]]
    assert [text.partition(": ")[2][:45] for text in texts] == [
        "no section '#### Examples:'",
        "line 1: text in no section that is not an exa",
        "line 2: an example in no section; examples st",
        "line 3: the section '#### Prompt:' is empty",
    ]


UTTERANCES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1).map(str.strip)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(UTTERANCES.filter(bool), UTTERANCES.filter(bool)), max_size=4), st.integers(0, 4))
def test_what_is_written_is_read_back(pairs, split):
    examples = tuple(SkillExample(*pair) for pair in pairs)
    file = ExampleFile(PATH, prompt_text(HOME["weather"]), examples[:split], examples[split:])
    assert parse_examples(examples_text(file), PATH) == (file, [])


@pytest.mark.parametrize("utterance", ["", " a", "a\nb", "a\n#### Examples:"])
def test_what_would_not_be_read_back_is_not_written(utterance, tmp_path):
    with pytest.raises(LabError, match="cannot be written"):
        write_examples(file_of("weather", [(utterance, "none()")], tmp_path / "a.txt"))
    assert not list(tmp_path.iterdir())


def test_classes_without_balance_and_prompts_that_are_not_the_skills(tmp_path):
    rain = [(f"will it rain in town {number}", f'weather(location="town {number}")') for number in range(21)]
    files = [
        write_examples(file_of("weather", rain, tmp_path / "weather.txt")),
        write_examples(file_of("news", [("news please", "news()"), ("storms", "none()")], tmp_path / "news.txt")),
    ]
    files[1].write_text(files[1].read_text().replace("count: int 1..10", "count: int"))
    said = "\n".join(map(str, lint(files, [], HOME).findings))
    assert f"{tmp_path}: no examples of 'set_timer'" in said and "'news' has 1 of 23 examples, 'weather' has 21" in said
    assert "'weather' has 21 of 23 examples: " in said and "91 %" in said
    assert "news.txt: line 2: the prompt is not that of the skill: 'news(topic: str = None, count: int 1..10" in said


def test_near_copies_across_splits_are_found_by_what_is_left_without_values(tmp_path):
    known = [("Is it wet in New York tonight?", 'weather(location="New York")'), ("rain", "none()")]
    asked = [("is it wet in Rome tonight", 'weather(location="Rome")'), ("rain", "none()"),
             ("tell me of the sky of Rome", 'weather(location="Rome")')]  # fmt: skip
    paths = [write_examples(file_of("weather", pairs, tmp_path / name))
             for name, pairs in (("train.txt", known), ("test.txt", asked))]  # fmt: skip
    found = lint(paths[:1], paths[1:], HOME)
    across = [str(one) for one in found.findings if one.path == paths[1]]
    assert across[0].endswith(f"line 6: a near copy of {paths[0]}, line 6: 'Is it wet in New York tonight?'")
    assert "line 9: 'rain' occurs twice" in across[1] and "line 9: a near copy of" in across[2] and len(across) == 3
    assert found.notes[-1].startswith("2 (66.7 %) of the held-out rows are near copies")


def test_a_skeleton_masks_values_numbers_and_their_words():
    call = Call("add_to_list", {"items": ["two lemons", "milk"], "target": "to-do"})
    assert skeleton("Put two lemons, milk on the to-do list 3 times", call) == {
        "put _ on the", "_ on the _", "on the _ list", "the _ list _", "_ list _ times"}  # fmt: skip
    assert skeleton("9*9", Call("calculate", {"expression": "9*9"})) == frozenset()


def test_the_bundled_files_are_clean_enough_and_apart(cli):
    code, out, said = cli("calls", "lint")
    assert (code, out) == (0, "") and "0 findings" in said
    for what in ("of the held-out rows are near copies", "share one such run"):
        assert float(re.search(rf"\((\d+\.\d) %\) {what}", said)[1]) <= 5
    kinds = [re.search(rf"14 {split} files: .*", said)[0] for split in ("train", "held-out")]
    counts = [{name: int(n) for name, n in re.findall(r"(\w+) (\d+)[,)]", line)} for line in kinds]
    for name in (*HOME, "none"):
        least = 140 if name == "none" else 40
        assert counts[0][name] >= least and counts[1][name] >= least


def test_the_skill_of_the_nearest_training_utterance_is_often_wrong():
    known, asked = ([one for path in example_files([split]) for one in read_examples(path).examples]
                    for split in (TRAIN, HELD_OUT))  # fmt: skip
    nearest = Nearest([one.utterance for one in known])
    found = [known[nearest.place(one.utterance)].call.partition("(")[0] for one in asked]
    right = sum(name == one.call.partition("(")[0] for name, one in zip(found, asked, strict=True))
    assert 0.5 < right / len(asked) < 0.75  # measured: 0.71


def test_a_table_becomes_an_example_file(tmp_path):
    table = tmp_path / "news.tsv"
    table.write_text('any news\tnews()\nnews of "Oslo"\tnews(topic="Oslo")\n')
    file = table_to_examples(table, tmp_path / "news.txt", "news", HOME, prompt_examples=1)
    assert read_examples(tmp_path / "news.txt") == file and len(file.prompt_examples) == len(file.examples) == 1
    table.write_text("any news\tnews()\nany news news()\n")
    with pytest.raises(LabError, match=r"news\.tsv: line 2: expected an utterance, a tab and a call"):
        table_to_examples(table, tmp_path / "news.txt", "news", HOME)
    table.write_text("any news\tnews(tropic=1)\n")
    with pytest.raises(LabError, match=r"news\.tsv: line 1: news has no parameter 'tropic'; did you mean 'topic'"):
        table_to_examples(table, tmp_path / "news.txt", "news", HOME)


def test_the_command_line_shows_skills_and_says_what_is_wrong(cli, tmp_path):
    code, out, _ = cli("calls", "skills", "--json")
    assert code == 0 and out.count('"additionalProperties": false') == 10
    assert cli("calls", "skills")[1].startswith(prompt_text(HOME["weather"]) + "\n\n")
    bad = tmp_path / "bad.txt"
    bad.write_text(HEAD + "User: a\n" + OSLO)
    code, out, said = cli("calls", "lint", bad)
    assert code == 1 and f"{bad}: line 6: 'User: a' looks like an example" in out and "findings" in said
    assert cli("calls", "lint", tmp_path / "no.txt")[0] == 2
    (tmp_path / "empty").mkdir()
    assert "no .txt files in this folder" in cli("calls", "lint", tmp_path / "empty")[2]


def test_the_files_of_the_course_are_those_that_the_splits_name():
    assert [path.name for path in example_files([TRAIN])] == [path.name for path in example_files([HELD_OUT])]
