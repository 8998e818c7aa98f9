"""docs/function-calling.md, "A skill of your own": its files are read, its commands run, in their order."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from command_line import commands, lab

from lab_lib.calls.examples.parse import read_examples
from lab_lib.calls.skills.check import read_call
from lab_lib.calls.skills.dispatch import run_call
from lab_lib.calls.skills.load import load_skills
from lab_lib.calls.skills.skill import prompt_text

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "function-calling.md").read_text("utf-8")
SECTION = re.search(r"^## A skill of your own\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)[1]
BLOCKS = {kind: re.search(rf"```{kind}\n(.*?)```", SECTION, re.DOTALL)[1] for kind in ("python", "yaml", "text")}
COMMANDS = commands(SECTION)
SMALL = [
    "data.max_train=8", "data.max_test=4", "training.steps=2", "training.batch_size=4", "training.micro_batch_size=4",
    "decoding.max_new_tokens=60", "evaluation.resamples=20",
]  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder with the files of the page, and the repository's examples where the page copies them from."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab_lib").symlink_to(ROOT / "lab_lib")
    Path("mine.py").write_text(BLOCKS["python"])
    Path("mine.yaml").write_text(BLOCKS["yaml"])
    (copy,) = re.findall(r"^    (cp .*)$", SECTION, re.MULTILINE)
    subprocess.run(copy.split(), check=True)
    Path("mine/train/book_table_examples.txt").write_text(BLOCKS["text"])
    return tmp_path


def test_the_skill_is_one_and_its_yaml_the_same_and_its_calls_run(place, cli):
    (skill,), (described,) = (load_skills([place / name]).values() for name in ("mine.py", "mine.yaml"))
    assert skill.function == described.function
    code, out, err = cli(*COMMANDS[0])
    assert (code, out, err) == (0, f"{prompt_text(skill)}\n\n", "1 skill\n")
    file = read_examples(Path("mine/train/book_table_examples.txt"))
    assert file.prompt == prompt_text(skill)
    calls = [read_call(one.call, load_skills([place / "mine.py"])) for one in file.examples]
    said = run_call(calls[1], load_skills([place / "mine.py"]))
    assert said == "I reserved a table at Luigi's for 2, terrace, at 19:30." and len(calls) == 3


def test_the_linter_finds_in_the_examples_of_the_page_that_they_are_few(place, cli):
    (lint,) = [words for words in COMMANDS if words[1] == "lint"]
    code, out, err = cli(*lint)
    assert code == 1 and re.fullmatch(r"mine/train: 'book_table' has 2 of [\d,]+ examples, 'none' has \d+\n", out)
    assert err.endswith("\n1 finding\n")


@pytest.mark.slow
def test_the_run_learns_it_and_is_asked(place, capsys):
    (run,), (ask,) = ([words for words in COMMANDS if name in words] for name in ("run", "ask"))
    assert lab(*run, *SMALL) == 0
    capsys.readouterr()
    assert lab(*ask, "--json") in (0, 1)  # 1: such a model makes no call
    assert '"book_table"' in capsys.readouterr().out  # one of the skills that it knows


def test_every_command_of_the_section_is_run_here():
    assert [words[:2] for words in COMMANDS] == [["calls", "skills"], ["calls", "lint"], ["run", "calls-tiny-cpu"],
                                                 ["calls", "ask"]]  # fmt: skip
