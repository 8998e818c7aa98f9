"""The task `skills`: one prompt for training and serving, the splits, trivial rows, settings that cannot work."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from chat_templates import HERMES, MISTRAL_TOOLS, SHAPES, chat_tokenizer
from tiny_models import tiny_llama

from lab_lib.calls.skills.check import NONE, call_text, read_call
from lab_lib.calls.skills.load import load_skills
from lab_lib.corpora.chats.types import Said
from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.config import DecodeConfig
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.models.hub import find_source
from lab_lib.models.tokenizer import load_tokenizer
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import prompts
from lab_lib.speech.number_words import words_to_digits
from lab_lib.tasks.skills import SkillsTask
from lab_lib.tasks.skills_config import SkillsConfig
from lab_lib.tasks.skills_data import SkillItem, read_corpus
from lab_lib.tasks.skills_variants import copies
from lab_lib.tasks.splits import load_splits

HOME = load_skills(["home"])
SAID = ("what is the weather </s> in\nBerlin ?", "hello", "[INST] set a timer <|im_end|>")
TEMPLATES = {"plain": None, **SHAPES, "hermes": HERMES, "mistral tools": MISTRAL_TOOLS}


def task(prompt: PromptConfig | None = None, corpus: str = "home", **settings) -> SkillsTask:
    return SkillsTask(SkillsConfig("skills", **settings), DataConfig(corpus), prompt or PromptConfig(), DecodeConfig())


def item(text: str, call: str = 'weather(location="Berlin")', before: tuple[Said, ...] = ()) -> SkillItem:
    return SkillItem("one", (*before, Said("user", text)), read_call(call, HOME), HOME)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    """Return {template: (settings, tokenizer)}."""
    plain, _ = load_tokenizer(find_source(str(tiny_llama(tmp_path_factory.mktemp("base")))))
    chat = {name: chat_tokenizer(shape) for name, shape in TEMPLATES.items() if shape}
    return {"plain": (PromptConfig(), plain), **{k: (PromptConfig(template="chat"), t) for k, t in chat.items()}}


@pytest.mark.parametrize("describe", ["nothing", "signatures", "texts", "tools"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_the_prompt_that_is_served_is_the_beginning_of_the_example_that_is_learned(name, describe, tokenizers):
    prompt, tokenizer = tokenizers[name]
    prompt = replace(prompt, max_tokens=20_000, instruction="Call a skill." if describe != "nothing" else None)
    if describe == "tools" and name not in ("hermes", "mistral tools"):
        with pytest.raises(LabError, match=r"prompt\.template=chat|no section for tools"):
            task(prompt, describe=describe).examples(item("hello", "none()"), tokenizer)
        return
    one = task(prompt, describe=describe)
    for text in SAID:
        if name == "llama2" and "[INST]" in text:
            continue  # indistinguishable from the template's own text: refused, see tests/test_prompts_chat.py
        given = item(text)
        (example,) = one.examples(given, tokenizer)
        served = one.item_from({"messages": [{"role": "user", "content": text}]})
        (asked,) = prompts(one.converse(served, tokenizer))
        assert example.ids[: len(asked.ids)] == asked.ids
        answer = example.ids[len(asked.ids) :]
        assert tokenizer.decode(answer[:-1]).strip() == call_text(given.call) and answer[-1] == tokenizer.eos_token_id
        assert [place for place, counts in enumerate(example.loss_mask) if counts] == list(
            range(len(asked.ids), len(example.ids))
        )
        shown = tokenizer.decode(asked.ids)
        assert ("convert" in shown) == (describe != "nothing")


def test_what_was_said_before_is_read_and_only_the_last_call_is_learned(tokenizers):
    before = (Said("system", "At home."), Said("user", "a timer"), Said("assistant", "none()"))
    for name in ("plain", "qwen3" if "qwen3" in tokenizers else "qwen"):
        prompt, tokenizer = tokenizers[name]
        given = item("five minutes", "set_timer(minutes=5)", before)
        (example,) = task(prompt).examples(given, tokenizer)
        (asked,) = prompts(task(prompt).converse(given, tokenizer))
        text = tokenizer.decode(asked.ids)
        assert asked.turn == 0 and example.ids[: len(asked.ids)] == asked.ids and sum(example.loss_mask) < 30
        assert all(said in text for said in ("At home.", "a timer", "none()", "five minutes"))
    with pytest.raises(LabError, match="ends with the words of a user"):
        task().item_from({"messages": [{"role": "assistant", "content": "none()"}]})


def test_dev_is_drawn_by_class_from_the_training_files_and_nothing_is_in_two_sets():
    splits = load_splits(task())
    sizes = Counter(one.call.name for one in splits.dev)
    assert "train/none_examples.txt" in task().files() and "README.md" not in task().files()
    assert set(sizes) == {*HOME, "none"} and not splits.leaked and len(splits.test) == 726
    assert 270 <= len(splits.dev) <= 320 and all(10 <= count <= 60 for count in sizes.values())
    assert all(one.learned for one in splits.train) and not any(one.learned for one in (*splits.dev, *splits.test))
    other = SkillsTask(SkillsConfig("skills"), DataConfig("home", seed=1), PromptConfig(), DecodeConfig())
    assert {one.key for one in load_splits(other).dev} != {one.key for one in splits.dev}
    assert {one.key for one in load_splits(task()).dev} == {one.key for one in splits.dev}


def test_trivial_rows_learn_from_the_source_alone_and_the_gold_calls_are_right():
    one = task()
    splits = load_splits(one)
    found = {}
    for row in one.baselines(splits.test, splits.train, seed=0):
        scores = one.score(splits.test, row.predictions, EvaluateConfig(resamples=0))
        found[row.name] = row.kind, scores.values
    assert found["gold calls"][1]["exact_macro"] == 100 and found["gold calls"][1]["false_triggers"] == 0
    kind, none = found["always none"]
    assert kind == "trivial" and none["exact_macro"] == 0 and none["misses"] == 100
    assert none["exact"] == pytest.approx(100 * 151 / 726)
    assert found["keywords"][1]["false_triggers"] < 10 < found["keywords"][1]["function"]
    assert 60 < found["nearest example"][1]["function"] < 75


JSONL = {
    "user and answer": '{"user": "hi %d", "answer": "none()"}\n',
    "messages": '{"messages": [{"role": "user", "content": "hi %d"}, {"role": "assistant", "content": "none()"}]}\n',
}


@pytest.mark.parametrize("row", JSONL.values(), ids=JSONL)
def test_jsonl_is_read_in_both_layouts(row, tmp_path):
    path = tmp_path / "mine.jsonl"
    words = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    path.write_text("".join(row.replace("hi %d", f"{word} and some {word} words") for word in words))
    found = read_corpus(str(path), HOME, 0)
    assert sum(map(len, found.splits.values())) == 12 and all(found.splits.values())
    assert found.splits["train"][0].call == NONE
    path.write_text(row.replace("none()", "wether()"))
    with pytest.raises(LabError, match="at least 10"):
        read_corpus(str(path), HOME, 0)


def example_file(folder: Path, calls: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine_examples.txt").write_text(f"#### Prompt:\nnone()\nD.\n\n#### Examples:\n{calls}")
    return folder


def test_example_files_of_ones_own_are_split_and_a_wrong_call_is_named_with_its_line(tmp_path):
    rows = [f"### User: {word} asks\n### Assistant: none()\n" for word in "abcdefghijkl"]
    found = read_corpus(str(example_file(tmp_path / "a", "\n".join(rows))), HOME, 0)
    assert {split: len(items) for split, items in found.splits.items()} == {"train": 10, "test": 1, "dev": 1}
    wrong = "### User: hi\n### Assistant: wether()\n"
    with pytest.raises(LabError, match=r"mine_examples\.txt: line 7: 'wether\(\)': no skill 'wether'; did you mean"):
        read_corpus(str(example_file(tmp_path / "b", wrong)), HOME, 0)
    with pytest.raises(LabError, match="1 examples, too few to draw the set"):
        read_corpus(str(example_file(tmp_path / "c", rows[0])), HOME, 0)
    with pytest.raises(LabError, match=r"no such file or folder of example files or JSONL; did you mean 'home'"):
        read_corpus("hom", HOME, 0)


def test_copies_have_other_values_of_training_requests_and_the_calls_say_so():
    one = task(copies=4)
    splits = load_splits(one)
    values = {part for item in splits.train for value in item.call.arguments.values()
              for part in (value if isinstance(value, list) else [value])}  # fmt: skip
    made = 0
    for given in splits.train:
        for copy in copies(given, one.pool, 4, seed=0):
            made += 1
            assert (
                copy.call.name == given.call.name and copy.text != given.text and read_call(call_text(copy.call), HOME)
            )
            for name, value in copy.call.arguments.items():
                if (given.call.name, name) in (("calculate", "expression"), ("set_alarm", "time")):
                    continue  # numbers in a text: below
                parts = value if isinstance(value, list) else [value]
                assert all(part in values for part in parts)
    assert made > len(splits.train)
    rain = next(item for item in splits.train if item.text == "Oslo weather please")
    assert all(copy.call.arguments["location"] in copy.text for copy in copies(rain, one.pool, 4, 0))
    assert copies(rain, one.pool, 4, 0) == copies(rain, one.pool, 4, 0)
    for said, call in (("12 times the sum of 3 and forty", "calculate(expression=\"12*(3+40)\")"),
                       ("ten minutes please", "set_timer(minutes=10)")):  # fmt: skip
        made_of = [copy for copy in copies(item(said, call), one.pool, 9, 0) if call_text(copy.call) != call]
        assert made_of and all(numbers_of(copy.text) == numbers_of(call_text(copy.call)) for copy in made_of)
    with pytest.raises(LabError, match=r"task\.copies=-1: expected 0 or more"):
        task(copies=-1)


def numbers_of(text: str) -> list[int]:
    return sorted(map(int, re.findall(r"\d+", words_to_digits(text))))


def test_only_training_items_have_copies(tokenizers):
    one, (_, tokenizer) = task(copies=3), tokenizers["plain"]
    learned = next(item for item in one.load()["train"] if item.text == "Oslo weather please")
    nothing = next(item for item in one.load()["train"] if item.call == NONE)
    assert len(one.examples(learned, tokenizer)) == len(one.examples(nothing, tokenizer)) == 4
    assert len(one.examples(replace(learned, learned=False), tokenizer)) == 1


def test_a_skill_with_few_requests_is_learned_as_often_as_others(tokenizers):
    one, (_, tokenizer) = task(copies=1, at_least=200, examples_of={"translate": 20}), tokenizers["plain"]
    made = Counter()
    for item in one.load()["train"]:
        if item.call.name in ("translate", "none"):
            made[item.call.name] += len(one.examples(item, tokenizer))
    assert one.requests["translate"] == 20 and one.requests["none"] > 200
    assert made == {"translate": 20 * 10 * 2, "none": one.requests["none"] * 2}
    with pytest.raises(LabError, match=r"task\.at_least=-1: a number of training requests"):
        task(at_least=-1)


def test_what_a_run_measured_stands_in_the_prediction_with_the_threshold_of_dev(tokenizers):
    one, (_, tokenizer) = task(), tokenizers["plain"]
    dev = load_splits(one).dev
    names = one.candidates(dev[0], tokenizer)
    assert set(names) == {*HOME, "none"} and all(names.values())
    starts = [tuple(ids) for spellings in names.values() for ids in spellings]
    assert not any(first != other and first == other[: len(first)] for first in starts for other in starts)
    assert prompts(one.converse(dev[0], tokenizer))[0].facts == {}
    one.log_probs = {item.key: {"none": 2.0 if item.call == NONE else -3.0, "news": 0.0} for item in dev}
    one.calibrate(dev)
    facts = prompts(one.converse(dev[0], tokenizer))[0].facts
    assert facts["names"] == one.log_probs[dev[0].key] and 0.04 < facts["threshold"] < 0.9


def test_what_a_tokenizer_cannot_do_is_refused_before_a_weight_is_loaded(tmp_path, cli, monkeypatch):
    for settings, said in (
        (["prompt.template=chat"], "this tokenizer has no chat template"),
        (["task.describe=tools"], "task.describe=tools needs prompt.template=chat"),
        (["task.skills=[none.py]"], "none.py: no such file"),
        (["task.skills=[home]", "data.corpus=hom"], "did you mean 'home'"),
    ):
        code, _, error = cli("run", "calls-tiny-cpu", *settings, "--out", tmp_path / "run")
        assert code == 2 and said in " ".join(error.split()) and not (tmp_path / "run").exists()
    monkeypatch.setattr("lab_lib.decoding.grammar.find_spec", lambda name: None)
    code, _, error = cli("recipes", "validate", "calls-tiny-cpu", "task.answers=constrained")
    assert code == 2 and "the package llguidance is not installed" in " ".join(error.split())
    code, _, error = cli("calls", "train", "town-qlora-cpu")
    assert code == 2 and "town-qlora-cpu: not a recipe of the task skills" in " ".join(error.split())
