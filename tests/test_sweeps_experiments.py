"""Experiments with skills: what is learned and offered in each, and a sweep of them with variants, in pairs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tiny_models import tiny_llama

from lab_lib.calls.skills.check import call_text, check_call, read_call
from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.files import read_json
from lab_lib.prompts.config import PromptConfig
from lab_lib.submissions.recipe_header import header_lines
from lab_lib.sweeps.grid import load_sweep
from lab_lib.tasks.skills import SkillsTask
from lab_lib.tasks.skills_config import SkillsConfig
from lab_lib.tasks.skills_renamed import as_renamed, with_new_names, with_other_order, with_own_names

SKILLS = '''
from typing import Literal

def rain(place: str, day: Literal["today", "tomorrow"] = "today") -> str:
    """Say whether it rains."""
    return ""

def timer(minutes: int, name: str | None = None) -> str:
    """Start a timer."""
    return ""

def lamp(on: bool) -> str:
    """Switch the lamp."""
    return ""
'''
CALLS = {"rain": 'rain(place="Rome", day="tomorrow")', "timer": 'timer(minutes=5, name="tea")', "lamp": "lamp(on=True)",
         "none": "none()"}  # fmt: skip
COUNTS = {"train": 8, "dev": 2, "held-out": 3}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with three skills, a corpus of them and a tiny model."""
    folder = tmp_path_factory.mktemp("experiments")
    (folder / "three.py").write_text(SKILLS)
    for part, count in COUNTS.items():
        (folder / "corpus" / part).mkdir(parents=True)
        for name, call in CALLS.items():
            rows = [f"### User: {part} asks number {n} of {name}\n### Assistant: {call}\n" for n in range(count)]
            text = f"#### Prompt:\n{name}()\n\n#### Examples:\n{''.join(rows)}"
            (folder / "corpus" / part / f"{name}_examples.txt").write_text(text)
    tiny_llama(folder / "model")
    return folder


def task(place: Path, **settings) -> SkillsTask:
    data = DataConfig(str(place / "corpus"))
    config = SkillsConfig("skills", skills=(str(place / "three.py"),), **settings)
    return SkillsTask(config, data, PromptConfig(), DecodeConfig())


def counts(items) -> dict[str, int]:
    return dict(Counter(item.call.name for item in items))


def test_a_skill_with_few_examples_has_those_of_fewer_among_them_and_the_test_stays(place):
    few, more = (task(place, examples_of={"timer": count}).load() for count in (2, 5))
    assert counts(few["train"]) == {"rain": 8, "timer": 2, "lamp": 8, "none": 8}
    keys = [{item.key for item in splits["train"]} for splits in (few, more)]
    assert keys[0] < keys[1] and few["test"] == more["test"] and counts(few["test"])["timer"] == 3
    none = task(place, examples_of={"timer": 0}, describe="signatures")
    assert "timer" in none.skills and "timer" not in counts(none.load()["train"])
    assert "not learned (task.leave_out, task.examples_of): 8 of 32" in none.dropped()


def test_a_skill_that_is_not_on_offer_is_in_no_prompt_and_its_requests_ask_for_nothing(place):
    whole, part = task(place, describe="signatures"), task(place, describe="signatures", leave_out=("timer",))
    splits = part.load()
    assert list(part.skills) == ["rain", "lamp"] and list(part.known) == ["rain", "timer", "lamp"]
    assert counts(splits["train"]) == {"rain": 8, "lamp": 8, "none": 8} and counts(splits["test"])["none"] == 6
    assert [item.key for item in splits["test"]] == [item.key for item in whole.load()["test"]]
    assert all("timer" not in part.messages(item)[0].text for items in splits.values() for item in items)
    gold = {item.key: [{"response": call_text(item.call)}] for item in whole.load()["test"]}
    values = part.score(splits["test"], gold, EvaluateConfig(resamples=0)).values
    assert values["exact_others"] == 100 and "exact_apart" not in values  # nobody can ask for it
    assert values["valid"] == pytest.approx(100 * 9 / 12) and values["false_triggers"] == 0
    one = task(place, examples_of={"timer": 2})
    missed = {key: [{"response": "none()"}] if "timer" in key else answers for key, answers in gold.items()}
    values = one.score(one.load()["test"], missed, EvaluateConfig(resamples=0)).values
    assert (values["exact_apart"], values["exact_others"]) == (0, 100)
    assert {"exact_apart", "exact_others"} <= {metric.key for metric in one.metrics}
    assert "exact_apart" not in {metric.key for metric in whole.metrics}


def test_made_up_names_and_other_orders_say_the_same_calls(place):
    for item in task(place).load()["test"]:
        given, called = with_new_names(with_other_order(item, "1"), "0")
        assert given.said == item.said and sorted(called.values()) == sorted(item.skills)
        assert not set(called) & {*item.skills, "none"} and read_call(call_text(given.call), given.skills)
        answer = {"response": call_text(given.call), "called": called}
        assert read_call(with_own_names(answer)["response"], item.skills) == check_call(item.call, item.skills)
        for wrong in ('rain(place="Rome", day="tomorrow")', "timer(minutes=5)", "lamp"):
            assert with_own_names({**answer, "response": wrong})["response"].split("(")[0].endswith("_unknown")
    assert len({tuple(with_new_names(item, str(seed))[1].values()) for seed in range(20)}) > 3
    orders = {tuple(with_other_order(item, str(seed)).skills["rain"].function.parameters) for seed in range(9)}
    assert len(orders) == 2


def test_prompts_of_the_rows_say_the_names_that_answers_are_judged_by(place):
    from lab_lib.models.hub import find_source
    from lab_lib.models.tokenizer import load_tokenizer

    tokenizer, _ = load_tokenizer(find_source(str(place / "model")))
    one = SkillsTask(
        SkillsConfig("skills", skills=(str(place / "three.py"),), describe="texts", renamed=0.5, renamed_test=True),
        DataConfig(str(place / "corpus")), PromptConfig(max_tokens=4000), DecodeConfig(),
    )  # fmt: skip
    item = one.load()["test"][0]
    assert one.variants == ("renamed", "shuffled") and one.interactive("renamed")
    (plain,), (renamed,), (shuffled,) = (list(one.converse(item, tokenizer, row)) for row in ("", *one.variants))
    names = renamed.facts["called"]
    text = tokenizer.decode(renamed.ids)
    assert all(f"{name}(" in text for name in names) and not any(f"{name}(" in text for name in item.skills)
    assert "called" not in plain.facts and shuffled.facts == {} and len(shuffled.ids) == len(plain.ids)
    learned = [as_renamed(given, 0.5, 0) for given in one.load()["train"]]
    changed = [given for given in learned if list(given.skills) != list(item.skills)]
    assert 8 < len(changed) < 24 and len({tuple(given.skills) for given in changed}) == len(changed)
    (example,) = one.examples(next(given for given in one.load()["train"] if given.key == changed[0].key), tokenizer)
    assert all(f"{name}(" in tokenizer.decode(example.ids) for name in changed[0].skills)
    assert as_renamed(item, 1.0, 0) is item


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"leave_out": ("tmer",)}, r"task\.leave_out: no skill 'tmer'; did you mean 'timer'"),
        ({"examples_of": {"tmer": 3}}, r"task\.examples_of: no skill 'tmer'; did you mean 'timer'"),
        ({"examples_of": {"timer": 9}}, "9 examples of 'timer', the training set has 8"),
        ({"examples_of": {"timer": -1}}, "'timer': -1, expected a number of examples"),
        ({"examples_of": {"timer": True}}, "'timer': True, expected a number of examples"),
        ({"examples_of": {"timer": 1}, "leave_out": ("timer",)}, "'timer' is not on offer"),
        ({"leave_out": ("rain", "timer", "lamp")}, "no skill is left"),
        ({"renamed": 0.5}, "no prompt says the names; set task.describe"),
        ({"renamed": 2.0, "describe": "texts"}, "renamed=2.0: a share of the training requests"),
        ({"renamed_test": True, "describe": "texts", "answers": "both"}, "needs task.answers=free"),
    ],
)
def test_what_is_no_experiment_is_refused_before_a_model_is_loaded(settings, said, place):
    with pytest.raises(LabError, match=said):
        task(place, **settings).load()


RECIPE = """
# Does it work?
task: {{name: skills, skills: [{place}/three.py], describe: signatures, renamed_test: true}}
data: {{corpus: {place}/corpus}}
model: {{name: {place}/model, quantisation: none}}
prompt: {{max_tokens: 600}}
training: {{steps: 2, batch_size: 2, micro_batch_size: 2, log_every: 1, learning_rate: 0.01}}
decoding: {{max_new_tokens: 6, batch_size: 16}}
evaluation: {{resamples: 20}}
sweep:
  grid:
    timer:
      not there: {{task.leave_out: [timer]}}
      two examples: {{task.examples_of: {{timer: 2}}}}
  seeds: [0]
  report: test
  variants: true
  against: not there
  figure: {{x: timer, metric: exact_others, also: exact_apart}}
"""


def test_a_sweep_of_an_experiment_has_a_row_for_each_variant_and_differences_in_pairs(place, cli):
    recipe, out = place / "added.yaml", place / "sweep"
    recipe.write_text(RECIPE.format(place=place))
    for member in (0, 1):
        code, _, err = cli("sweep", recipe, "--member", member, "--out", out)
        assert code == 0, err
    code, printed, err = cli("sweep", recipe, "--gather", "--out", out)
    assert (code, printed) == (0, f"{out}\n"), err
    found = read_json(out / "summary.json")
    rows = ["fine-tuned, renamed", "fine-tuned, shuffled", "fine-tuned"]
    assert [run["settings"]["row"] for run in found["runs"]] == 2 * rows and found["runs_finished"] == 2
    assert len({run["predictions_sha256"] for run in found["runs"]}) > 2
    pairs = [(one["of"], one["against"]) for one in found["differences"]]
    assert pairs == [(f"two examples, {row}", f"not there, {row}") for row in rows] + [
        (f"{name}, {row}", f"{name}, fine-tuned") for name in ("not there", "two examples") for row in rows[:2]
    ]
    assert all("exact_others" in one["differences"] for one in found["differences"])
    page = " ".join((out / "summary.md").read_text().split())
    assert "Scored on test requests: no setting is chosen" in page and "two examples, fine-tuned against not" in page
    assert "test requests of corpus" in page and "Every run learns from" not in page
    assert "Other skills" in (out / "figure.svg").read_text() and "New skills" in (out / "figure.svg").read_text()
    lines = header_lines({**found, "jobs": "1 at once"})
    assert lines[0].startswith("# cost: 2 runs, 1 at once") and "12 test requests" in lines[2]


def test_a_setting_to_compare_with_that_is_none_is_named(place):
    recipe = place / "wrong.yaml"
    recipe.write_text(RECIPE.format(place=place).replace("against: not there", "against: not here"))
    with pytest.raises(LabError, match="sweep: against: no setting 'not here'; did you mean 'not there'"):
        load_sweep(str(recipe))
    replaced = load_sweep(str(recipe), grid=["lora.rank=2,4"])
    assert replaced is not None and replaced.against is None
