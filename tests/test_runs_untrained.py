"""A run in which nothing is trained: the model as it is, with an instruction and dialogues as examples."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from tiny_corpus import write_tiny_corpus
from tiny_models import tiny_adapter, tiny_llama, tiny_tokenizer

from lab_lib.corpora.load import load_corpus
from lab_lib.errors import LabError
from lab_lib.files import read_json, read_jsonl
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_messages, gold_conversation, shown_dialogues
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.results.rows import read_recorded, subject
from lab_lib.runs.config import RunConfig, load_recipe, load_run_config, make_task
from lab_lib.runs.dry_run import show_plan
from lab_lib.runs.run import STAGES, run
from lab_lib.submissions.recipe_header import header_lines

UNTRAINED = [
    "training.steps=0", "task.examples=2", "task.state=true", "prompt.max_tokens=900", "decoding.max_new_tokens=6",
    "evaluation.resamples=20", "model.quantisation=none", "decoding.history=own",
]  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("places")
    (recipe := folder / "mine.yaml").write_text("{}")
    corpus, model = write_tiny_corpus(folder / "corpus"), tiny_llama(folder / "model", max_position_embeddings=1024)
    return [str(recipe), f"data.corpus={corpus}", f"model.name={model}"]


def config(places: list[str], *more: str) -> RunConfig:
    recipe, *given = places
    return load_recipe(recipe, [*given, *UNTRAINED, *more])


@pytest.fixture(scope="module")
def finished(places, tmp_path_factory) -> tuple[Path, str]:
    """A finished run and what it printed."""
    folder, console = tmp_path_factory.mktemp("runs") / "run", Console(record=True, width=140)
    run(config(places), folder, console)
    return folder, " ".join(console.export_text().split())


def test_the_model_as_it_is_is_scored_and_nothing_is_trained(finished):
    folder, printed = finished
    record = read_json(folder / "record.json")
    assert list(record["stages"]) == ["base", "prepare"] and not (folder / "adapter").exists()
    assert {row["kind"] for row in record["rows"].values()} == {"oracle", "trivial", "base"}
    assert "examples before every prompt: tin0" in printed and "tokens saved" not in printed  # one item, one row
    assert header_lines(record)[2].startswith("# measured: 1 dialogues: BLEU ")


def test_every_prompt_begins_with_the_same_dialogues(finished):
    folder, _ = finished
    settings = load_run_config(folder)
    task = make_task(settings)
    task.prepared = folder / "prepared"
    tokenizer = tiny_tokenizer(folder / "tokenizer")
    prompts = [
        p.ids for split in task.load().values() for item in split for p in task.gold_conversation(item, tokenizer)
    ]
    text = tokenizer.decode(prompts[-1])
    assert text.count("dialogue>") == 3 and text.index("dialogue> 1") < text.index("dialogue> 3") < text.rindex("user>")
    shared = tokenizer(text[: text.index("dialogue> 3") + len("dialogue> 3\n")], add_special_tokens=False)["input_ids"]
    assert len(shared) > 100 and all(list(ids[: len(shared)]) == shared for ids in prompts)
    assert sorted(read_json(folder / "prepared" / "examples.json")["dialogues"]) == ["tin0001", "tin0002"]
    assert len(read_jsonl(folder / "predictions" / "base.jsonl")) == 2  # the examples are not asked for


def test_examples_are_never_dropped_and_their_words_never_cut(places, tmp_path):
    tokenizer, town = tiny_tokenizer(tmp_path), load_corpus(places[1].partition("=")[2])
    (first, _), (item,) = town.splits["train"], town.splits["test"]
    prompt, state = PromptConfig(instruction="Be brief."), DialogueConfig(state=True)
    shown = shown_dialogues([first], prompt, state)
    messages = dialogue_messages(item, prompt, state, shown=shown)
    assert messages[0].is_instruction and messages[1 : 1 + len(shown)] == shown
    whole = list(gold_conversation(item, tokenizer, prompt, state, shown=shown))
    beginning = tokenizer.decode(whole[0].ids[: len(whole[0].ids)])
    beginning = beginning[: beginning.index("dialogue> 2")]
    for room in (len(whole[1].ids) - 1, len(whole[1].ids) - 60):
        short = PromptConfig(instruction="Be brief.", max_tokens=room)
        *_, last = gold_conversation(item, tokenizer, short, state, shown=shown)
        assert last.dropped_turns and len(last.ids) <= room
        assert tokenizer.decode(last.ids).startswith(beginning)


def test_an_adapter_that_is_there_is_scored_with_other_settings_of_decoding(places, tmp_path):
    pytest.importorskip("llguidance")
    model = places[2].partition("=")[2]
    adapter = tiny_adapter(Path(model), tmp_path / "first" / "adapter")
    settings = [
        "training.steps=0", f"model.adapter={adapter}", "task.predict_state=true", "task.calls=constrained",
        "model.quantisation=none", "prompt.max_tokens=900", "decoding.max_new_tokens=60", "evaluation.resamples=0",
    ]  # fmt: skip
    run(load_recipe(places[0], [*places[1:], *settings]), tmp_path / "run", Console(quiet=True))
    assert (
        subject(read_recorded(read_json(tmp_path / "run" / "record.json"), "").rows).name
        == "start: adapter first/adapter"
    )
    rows = read_jsonl(tmp_path / "run" / "predictions" / "base.jsonl")
    assert rows and all(problem.startswith("malformed") for row in rows for problem in row["problems"])  # cut short


@pytest.mark.parametrize(
    ("stages", "more", "message"),
    [
        (("train",), [], "training.steps=0: nothing is trained"),
        (("train", "finetuned", "report"), [], "training.steps=0: nothing is trained"),
        (("finetuned",), [], "training.steps=0: nothing is trained"),
        (STAGES, ["task.examples=5"], "task.examples=5: there are only 2 training dialogues"),
        (STAGES, ["training.steps=1"], "set training.steps=0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(places, tmp_path, stages, more, message):
    with pytest.raises(LabError, match=message):
        run(config(places, *more), tmp_path / "run", Console(quiet=True), stages)
    assert not (tmp_path / "run" / "predictions").exists()


@pytest.mark.parametrize("more", [["task.examples=-1"], ["task.state=false", "task.predict_state=true"]])
def test_settings_that_cannot_go_with_examples_are_refused(places, more):
    with pytest.raises(LabError, match=r"task\.examples"):
        config(places, *more)


def test_a_dry_run_says_that_nothing_is_trained(places):
    console = Console(record=True, width=140)
    show_plan(config(places), console)
    assert "nothing is trained: the model answers 1 dialogues as it is" in console.export_text()
