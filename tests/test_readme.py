"""Every command and number of the README and its first pages: executed here, or read from a recorded run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import commands, parse

from lab_lib.corpora.chats.read import BUNDLED
from lab_lib.files import read_json
from lab_lib.results.rows import read_recorded
from lab_lib.results.table import to_markdown
from lab_lib.runs.config import load_recipe

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = (README, *(ROOT / "docs" / f"{name}.md" for name in ("pipeline", "real-data", "experiments", "architecture")))
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
SHOWN = [words for text in TEXTS.values() for words in commands(text)]
COMMANDS = [words for place, words in enumerate(SHOWN) if words not in SHOWN[:place]]
TABLES = [(page, recipe) for page, text in TEXTS.items() for recipe in re.findall(r"<!-- table (\S+) -->", text)]
SMALL = [
    "data.max_train=4", "data.max_test=2", "training.steps=2", "training.batch_size=4", "training.micro_batch_size=4",
    "training.evaluate_every=2", "training.evaluate_dialogues=1", "decoding.max_new_tokens=8",
    "evaluation.resamples=20",
]  # fmt: skip


def shell(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    paths = os.pathsep.join([str(ROOT), *sys.path])
    return subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True)


def needs_real_data(words: list[str]) -> bool:
    """Return whether a command reads files that are not in the repository."""
    if {"PREDICTIONS", "FOLDER"} & set(words):
        return True
    return words[0] == "run" and load_recipe(words[1]).data.corpus not in ("town", "helpdesk")


def marks(words: list[str]) -> Any:
    """Return the tier of a command: it may need the real corpora, or the fetched chat model."""
    if words[0] == "chat":
        return pytest.mark.model
    return pytest.mark.real if needs_real_data(words) else ()


RUN = [pytest.param(words, marks=marks(words), id=" ".join(words)) for words in COMMANDS]


def test_the_pages_have_the_commands_this_file_runs():
    assert ["run", "town-qlora-cpu", "--dry-run"] in COMMANDS


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_lab_commands_are_ones_that_lab_takes(words):
    """Also those that need real data to run: the options are there, and the recipe is valid."""
    parse(words)


@pytest.mark.parametrize("words", RUN)
def test_lab_commands_run(words, tmp_path, request, monkeypatch):
    """In this process, since each of its own would import torch again; but a chat, which reads what is typed."""
    if words[:2] in (["data", "fetch"], ["models", "fetch"]):  # the download itself is tested against a loopback server
        words = [*words, "--help"]
    elif words[0] == "run" or words[:2] == ["calls", "train"]:
        # Settings stand behind a recipe; number format and attention would be measured.
        words = [*words, "calls-tiny-cpu", "model.dtype=fp32", "model.attention=auto"] if words[0] == "calls" else words
        words = [*words, *SMALL, *([] if "--dry-run" in words else ["--out", str(tmp_path / "run")])]
    if {"PREDICTIONS", "FOLDER"} & set(words):
        words = with_files(words, request.getfixturevalue("lab_data"))
    if "data.corpus=my.jsonl" in words:
        lines = BUNDLED["helpdesk"].read_text(encoding="utf-8").splitlines(keepends=True)
        (tmp_path / "my.jsonl").write_text("".join(lines[:20]), encoding="utf-8")
    if words[0] == "chat":
        request.getfixturevalue("smollm2")
        done = shell([sys.executable, "-m", "lab_lib", *words], tmp_path)
        code, out, error = done.returncode, done.stdout, done.stderr
    else:
        monkeypatch.chdir(tmp_path)
        code, out, error = request.getfixturevalue("cli")(*words)
    assert code == 0, error
    assert out.strip() or error.strip()


def with_files(words: list[str], data: Path) -> list[str]:
    """Put real files where the README says PREDICTIONS and FOLDER."""
    systems = data / "mwzeval" / "mwz" / "predictions"
    if "understanding" in words:
        places = {"PREDICTIONS": data / "sgd" / "dev" / "dialogues_001.json", "FOLDER": data / "sgd" / "dev"}
    else:
        places = {"PREDICTIONS": systems / "augpt.json.gz", "FOLDER": systems}
    return [str(places.get(word, word)) for word in words] + ["--resamples", "20"]


@pytest.mark.parametrize(("target", "runs"), [("demo", "lab demo"), ("test", "pytest")])
def test_make_targets_exist_and_say_what_they_run(target, runs):
    """The two commands themselves are what `.ci/run` and the demo's own test go through."""
    assert [target] in commands(TEXTS[README], "make")
    done = shell(["make", "--dry-run", target], ROOT)
    assert done.returncode == 0, done.stderr
    assert runs in done.stdout


def test_the_python_example_prints_what_it_promises(tmp_path):
    code = re.search(r"```python\n(.*?)```", TEXTS[ROOT / "docs" / "pipeline.md"], re.DOTALL)
    assert code is not None
    done = shell([sys.executable, "-c", code.group(1)], tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(float(number) >= 95 for number in done.stdout.split())


def recorded_table(recipe: str) -> str:
    """Return the main table of a recorded run as markdown, without how many dialogues were scored."""
    path = ROOT / "results" / recipe / "record.json"
    found = read_recorded(read_json(path), path)
    rows = [replace(row, items=None, answers=None) for row in found.rows]
    return to_markdown(rows, [metric for metric in found.metrics if not metric.group])


@pytest.mark.parametrize(("page", "recipe"), TABLES, ids=lambda value: getattr(value, "stem", value))
def test_tables_are_those_of_the_recorded_runs(page, recipe):
    shown = re.search(rf"<!-- table {recipe} -->\n(.*?)<!-- end -->", TEXTS[page], re.DOTALL)
    assert shown is not None and shown.group(1).strip() == recorded_table(recipe).strip()


def test_what_a_lab_reached_is_what_its_record_says():
    reached = re.findall(r"([\d.]+ \([\d.]+–[\d.]+\))[^|]*\(\[record\]\((.*?)\)\) \|", TEXTS[README].replace("\n", " "))
    rows = [one for one in TEXTS[README].split("\n") if "[record](" in one and one.startswith("| [")]
    assert len(reached) == len(rows) >= 3
    for number, link in reached:
        record = read_json(ROOT / link)
        main, tuned = record["main"], [row for name, row in record["rows"].items() if name.startswith("fine-tuned")]
        shown = {f"{row['values'][main]:.1f} ({low:.1f}–{high:.1f})" for row in tuned
                 for low, high in [row["intervals"][main]]}  # fmt: skip
        assert number in shown


def test_the_three_seeds_are_those_of_the_records():
    folder = ROOT / "results" / "multiwoz22-plan-cpu"
    records = [read_json(folder / name) for name in ("record.json", "seed-1.json", "seed-2.json")]
    assert [record["seed"] for record in records] == [0, 1, 2]
    words = " ".join(TEXTS[ROOT / "docs" / "real-data.md"].split())
    for metric, heading in (("combined", "Combined"), ("bleu", "BLEU")):
        a, b, c = (f"{record['rows']['fine-tuned']['values'][metric]:.1f}" for record in records)
        assert f"{heading} {a}, {b} and {c}" in words


@pytest.mark.parametrize("page", [README, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.stem)
def test_every_file_and_folder_that_a_page_links_is_there(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert all((page.parent / link).exists() for link in links), [x for x in links if not (page.parent / x).exists()]


def test_one_sentence_says_that_no_gpu_has_run_this():
    assert TEXTS[README].count("GPU machine") == TEXTS[README].count("unit-tested") == 1


def test_every_page_can_be_reached_from_the_readme_and_every_package_stands_in_the_architecture():
    listed = set(re.findall(r"\]\(docs/([\w-]+\.md)\)", TEXTS[README]))
    assert listed == {page.name for page in (ROOT / "docs").glob("*.md")}
    rooms = re.findall(r"^      (\w+)/ ", TEXTS[ROOT / "docs" / "architecture.md"], re.MULTILINE)
    real = {path.name for path in (ROOT / "lab_lib").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert set(rooms) == real
