"""`lab calls dataset`: rows that trainers of others read, the parts that a run of ours has, near copies together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from chat_templates import HERMES, chat_tokenizer
from command_line import lab

from lab_lib.calls.candidates.records import append_rows, candidate, decision, read_candidates, row
from lab_lib.calls.examples.bundled import HELD_OUT, TRAIN
from lab_lib.calls.examples.parse import read_examples
from lab_lib.calls.examples.write import write_examples
from lab_lib.calls.skills.load import load_skills
from lab_lib.corpora.chats.read import read_chats
from lab_lib.corpora.config import DataConfig
from lab_lib.decoding.config import DecodeConfig
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.conversation import prompts
from lab_lib.tasks.skills import SkillsTask
from lab_lib.tasks.skills_config import SkillsConfig
from lab_lib.tasks.skills_data import read_corpus
from lab_lib.tasks.skills_dataset import LAYOUTS

HOME = load_skills(["home"])


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Some of the bundled examples."""
    place = tmp_path_factory.mktemp("corpus")
    for part in (TRAIN, HELD_OUT):
        (place / part.name).mkdir()
        for name in ("add_to_list", "weather", "none"):
            file = read_examples(part / f"{name}_examples.txt")
            write_examples(replace(file, path=place / part.name / file.path.name, examples=file.examples[:20]))
    return place


@pytest.fixture(scope="module")
def written(corpus, tmp_path_factory) -> dict[str, Path]:
    """The examples in every layout."""
    place = tmp_path_factory.mktemp("written")
    for layout in LAYOUTS:
        assert lab("calls", "dataset", corpus, "--out", place / layout, "--layout", layout) == 0
    return {layout: place / layout for layout in LAYOUTS}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_parts_are_those_of_a_run_and_every_layout_is_read_by_the_task_messages(layout, written, corpus):
    splits = read_corpus(str(corpus), HOME, 0).splits
    keys = ("user", "answer") if layout == "pairs" else ()
    found = read_chats(str(written[layout]), keys)
    assert not found.drawn and not found.dropped
    for part, items in splits.items():
        assert [one["id"] for one in rows(written[layout] / f"{part}.jsonl")] == [item.key for item in items]
        for item, chat in zip(items, found.splits[part], strict=True):
            assert item.utterance.split() == chat.asked.split()[-len(item.utterance.split()) :] or layout == "origin"
    about = json.loads((written[layout] / "dataset.json").read_text())
    assert about["layout"] == layout and about["examples"]["test"] == {"add_to_list": 20, "none": 20, "weather": 20}
    assert "train/weather_examples.txt" in about["files"]


@pytest.mark.parametrize("layout", ["messages", "texts", "pairs"])
def test_the_task_reads_back_what_it_wrote(layout, written, corpus):
    ours, theirs = (read_corpus(str(name), HOME, 0).splits for name in (corpus, written[layout]))
    for part in ours:
        assert [(" ".join(one.utterance.split()), one.call) for one in ours[part]] == [
            (one.utterance, one.call) for one in theirs[part]
        ]


def test_the_origins_form_holds_skills_words_and_call(written):
    first = rows(written["origin"] / "test.jsonl")[0]["messages"]
    asked, answer = (one["content"] for one in first)
    assert asked.endswith("\n### Answer:") and "\n\n### User: " in asked and "set_alarm(time: str" in asked
    assert answer.startswith("add_to_list(items=[")


def test_the_tools_layout_is_what_the_task_writes_into_the_tools_section_of_a_template(written, corpus):
    tokenizer = chat_tokenizer(HERMES)
    prompt = PromptConfig(template="chat", max_tokens=20_000)
    task = SkillsTask(SkillsConfig("skills", describe="tools"), DataConfig(str(corpus)), prompt, DecodeConfig())
    for one, item in list(zip(rows(written["tools"] / "dev.jsonl"), task.load()["dev"], strict=True))[:3]:
        *said, answer = one["messages"]
        text = tokenizer.apply_chat_template(said, tools=one["tools"], add_generation_prompt=True, tokenize=False)
        (asked,) = prompts(task.converse(item, tokenizer))
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == list(asked.ids)
        assert answer["role"] == "assistant"


REFUSED = {
    "layout": (["--layout", "openai"], "--layout openai: no such layout; valid: messages, origin, pairs"),
    "corpus": (["nowhere"], "data.corpus=nowhere: no such file"),
    "folder": (["--out", "."], "--out .: there are other files; name a new folder"),
    "file": (["--out", "mine.txt"], "--out mine.txt: this is a file; name a folder"),
    "held out": (["--held-out", "mine.txt"], "--held-out goes with --from-transcript"),
}


@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_written_is_one_line(words, said, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.txt").write_text("mine")
    code, _, stderr = cli("calls", "dataset", *words)
    assert code == 2 and said in stderr and [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_data_set_is_written_anew_as_a_whole(written, corpus, cli, tmp_path):
    out = tmp_path / "set"
    for layout in ("pairs", "messages"):
        assert cli("calls", "dataset", corpus, "--out", out, "--layout", layout)[0] == 0
    for path in written["messages"].iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()


def test_a_transcript_becomes_candidates_and_reviewed_ones_a_data_set(cli, tmp_path, monkeypatch):
    """From talk to data set: the order is kept, and what a model is tested on is refused."""
    monkeypatch.chdir(tmp_path)
    words = ("great", "fine", "odd", "dull", "bad", "new", "old", "loud")
    said = [f"I think number {n} was {word}" for n, word in enumerate(words)]
    Path("talk.txt").write_text("\n".join(["[noise]", *said, said[0], ""]))
    code, stdout, stderr = cli("calls", "dataset", "--from-transcript", "talk.txt", "--out", "new.jsonl")
    assert (code, stdout) == (0, "new.jsonl\n")
    assert "talk.txt: 8 candidates; lines left out: 1 without words, 1 said before" in stderr
    found = read_candidates(Path("new.jsonl"))
    assert [one.utterance for one in found] == said
    append_rows(Path("new.jsonl"), [decision(one, "accepted") for one in found])
    rain = [candidate("weather", f"{say} rain in Ulm", 'weather(location="Ulm")', "", {}) for say in
            ("will there be", "tell me about", "how likely is", "do you expect", "any", "is there going to be",
             "what about the", "should I fear", "much", "no more")]  # fmt: skip
    append_rows(Path("new.jsonl"), [line for one in rain for line in (row(one), decision(one, "accepted"))])
    monkeypatch.setattr("sys.stdin", None)  # nothing waits, so nothing is asked
    assert cli("calls", "review", "new.jsonl", "--out", "examples")[0] == 0
    assert cli("calls", "dataset", "examples", "--out", "set", "--layout", "pairs")[0] == 0
    parts = {part: {one["user"] for one in rows(Path("set", f"{part}.jsonl"))} for part in ("train", "dev", "test")}
    assert set.union(*parts.values()) == {*said, *(one.utterance for one in rain)}
    assert all(set(said) <= words or not set(said) & words for words in parts.values()), "near copies are together"
    again = cli("calls", "dataset", "--from-transcript", "talk.txt", "--out", "new.jsonl")
    left = "lines left out: 1 without words, 1 said before, 8 refused by the checks"
    assert f"talk.txt: 0 candidates; {left}" in again[2]
