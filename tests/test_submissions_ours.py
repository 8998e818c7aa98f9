"""The rows of this repository: their predictions give their numbers, and the tables are made from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from lab_lib.cli import app
from lab_lib.files import read_json
from lab_lib.submissions.benchmark import find_benchmark
from lab_lib.submissions.check import check_all
from lab_lib.submissions.references import references, score, stored
from lab_lib.submissions.render import stale
from lab_lib.submissions.safe import check_drawing
from lab_lib.submissions.tables import lab_task
from lab_lib.tasks import TASKS, find_task

ROOT = Path(__file__).parent.parent / "results"
OURS = [*ROOT.glob("*/*-20??-??-??-????????.json")]


def rows_on(corpus: str) -> set[Path]:
    return {path for path in OURS if read_json(path).get("corpus") == corpus}


def test_tables_and_figures_are_what_the_rows_give():
    assert stale(ROOT) == []


def test_our_figures_only_draw():
    figures = list(ROOT.glob("*/*.svg"))
    assert figures
    for path in figures:
        check_drawing(path)


def test_the_commands_of_the_page_exist_with_their_options():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line.split("  #")[0].split() for line in re.findall(r"^    lab (.*)$", page, re.MULTILINE)]
    assert {line[1] for line in lines if line[0] == "results"} == {"submit", "render", "check"}
    for line in lines:
        command: Any = get_command(app)
        for word in line[: 2 if line[0] == "results" else 1]:
            command = command.commands[word]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in line if word.startswith("--")} <= known


def test_rows_on_the_town_are_right():
    assert len(rows_on("town")) >= 2
    assert check_all(ROOT, rows_on("town")).faults == []


@pytest.mark.real
def test_rows_on_multiwoz_are_right(lab_data):
    assert len(rows_on("multiwoz22")) >= 5
    verdict = check_all(ROOT, rows_on("multiwoz22"))
    assert verdict.faults == []
    assert all("inform 9" in remark for remark in verdict.remarks)  # the README says how to read them


def stored_rows() -> list:
    """Return every stored (lab task, corpus); those that need data which a newcomer has not are marked."""
    return [
        pytest.param(task, corpus, marks=pytest.mark.real if corpus == "multiwoz22" else ())
        for task, corpora in stored().items()
        for corpus in corpora
    ]


@pytest.mark.parametrize("task, corpus", stored_rows())
def test_stored_reference_rows_are_what_the_scorer_gives(task, corpus, request):
    if corpus == "multiwoz22":
        request.getfixturevalue("lab_data")
    again = "changed a scorer? python -m lab_lib.submissions.references, then lab results render"
    assert stored()[task][corpus] == score(find_benchmark(task, corpus)), again


def test_every_public_corpus_has_stored_rows_with_one_oracle():
    public = {(name, corpus) for name in TASKS for corpus in find_task(name).public}
    assert {(task, corpus) for task, corpora in stored().items() for corpus in corpora} == public
    for task, corpus in public:
        kinds = [row["kind"] for row in references(task, corpus).values()]
        assert kinds.count("oracle") == 1 and set(kinds) <= {"oracle", "trivial"}


def test_merged_rows_rest_on_the_references_of_today():
    rows = [row for row in map(read_json, OURS) if "references_sha256" in row]
    assert rows and all(
        row["references_sha256"] == stored()[lab_task(row)][row["corpus"]]["references_sha256"] for row in rows
    )
