"""docs/teaching.md and docs/glossary.md: the schedule is that of the labs, commands are run or parsed, order holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import commands, parse

from lab_lib.course.build import student_notebook
from lab_lib.course.points import optional
from lab_lib.course.source import checkout, exercises, lab_sources
from lab_lib.course.times import minutes, read_log
from lab_lib.files import read_text

ROOT = checkout()
TEACHING = read_text(ROOT / "docs" / "teaching.md")
GLOSSARY = read_text(ROOT / "docs" / "glossary.md")
COMMANDS = [line.split("  #")[0].strip() for line in re.findall(r"^    (\S.*)$", TEACHING, re.MULTILINE)]


SOURCES = {number: read_text(path) for number, path in lab_sources(ROOT).items()}
ANSWERS = (
    r"^# #+ Question (🍇*|💡):?.*\n#\n# \*Answer from: (this notebook|a recorded run|a project)\b(.*(?:\n# \S.*)*)"
)


def test_the_schedule_has_every_lab_with_its_times_and_exercises() -> None:
    rows = re.findall(r"^\| (\d\d) [^|]*\| (\d+) \| (\d+) \| (\d+) \| (\d+) \((\d+)\) \|", TEACHING, re.MULTILINE)
    assert [number for number, *_ in rows] == sorted(SOURCES)
    for number, *cells in rows:
        names, time = exercises(SOURCES[number]), minutes(number)
        core = [name for name in names if name not in optional()]
        assert list(map(int, cells)) == [time.core, time.exercises, time.all, len(names), len(core)], number
        said = re.search(r"^# \*\*Time\*\*:? (\d+) minutes [^.]*? (\d+) with", SOURCES[number], re.MULTILINE)
        assert said is not None and said.groups() == (str(time.core), str(time.all)), number


def test_the_log_of_the_reader_is_of_these_labs() -> None:
    """A lab that has grown needs another reading, and a question of other points other minutes."""
    read = read_log()["labs"]
    assert sorted(read) == sorted(SOURCES)
    for number, log in read.items():
        assert list(log["exercises"]) == exercises(SOURCES[number]), number
        cells = student_notebook(lab_sources(ROOT)[number])["cells"]
        texts = [cell["source"].partition("<sub>")[0] for cell in cells if cell["cell_type"] == "markdown"]
        assert log["words"] == pytest.approx(len(" ".join(texts).split()), rel=0.25), number
        found = {"this notebook": 0, "a recorded run": 0, "a project": 0}
        for grapes, kind, _ in re.findall(ANSWERS, SOURCES[number], re.MULTILINE):
            found[kind] += grapes.count("🍇")
        assert found == log["points"], number


@pytest.mark.parametrize("number", SOURCES)
def test_every_question_says_where_its_answer_comes_from(number: str) -> None:
    found = re.findall(ANSWERS, SOURCES[number], re.MULTILINE)
    assert len(found) == len(re.findall(r"^# #+ Question", SOURCES[number], re.MULTILINE))
    for _, kind, rest in found:
        records = re.findall(r"`(results/[\w-]+)`", rest)
        assert bool(records) == (kind == "a recorded run") and all((ROOT / name).is_dir() for name in records)


def test_every_plan_adds_up() -> None:
    plans = re.findall(r"(?:^\| [^|\n]+ \| (?:\d\d [^|\n]*)?\| \d+ \|\n)+", TEACHING, re.MULTILINE)
    assert len(plans) == 3
    for plan in plans:
        *rows, (_, last, together) = re.findall(r"^\| ([^|]+?) \| ([^|]*?) ?\| (\d+) \|$", plan, re.MULTILINE)
        assert not last and sum(int(total) for *_, total in rows) == int(together)
        for _, labs, total in rows:
            parts = [(minutes(lab), part) for lab, part in (one.split() for one in labs.split(", "))]
            assert sum(t.all - t.exercises if part == "questions" else getattr(t, part) for t, part in parts) == int(
                total
            ), labs


def test_the_readme_has_the_shortest_and_the_longest_lab() -> None:
    cores, alls = ([getattr(minutes(lab), part) for lab in SOURCES] for part in ("core", "all"))
    said = f"{min(cores)} to {max(cores)} minutes for the core, {min(alls)} to {max(alls)} with everything"
    assert said in " ".join(read_text(ROOT / "README.md").split())


@pytest.mark.parametrize("words", commands(TEACHING), ids=" ".join)
def test_every_lab_command_is_one_that_lab_takes(words: list[str]) -> None:
    parse(words)


def test_every_question_has_a_rubric_line_with_its_points() -> None:
    page = read_text(ROOT / "docs" / "rubrics.md")
    parts = re.split(r"^## Lab ", page, flags=re.MULTILINE)[1:]
    sources = lab_sources(ROOT)
    assert {part[:2] for part in parts} == set(sources)
    for part in parts:
        asked = re.findall(r"^# #+ Question (🍇+)", read_text(sources[part[:2]]), re.MULTILINE)
        assert [int(row) for row in re.findall(r"^\| [^|]+ \| (\d) \|", part, re.MULTILINE)] == list(map(len, asked))
        assert "Reading:" in part


def test_labs_are_listed_and_a_solution_is_revealed(cli) -> None:
    listed, revealed = (cli(*words) for words in commands(TEACHING)[:2])
    assert listed[0] == revealed[0] == 0 and "00_setup" in listed[1] and "def delexicalise" in revealed[1]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)\)", TEACHING + GLOSSARY))))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / "docs" / target).exists()


def test_the_glossary_is_in_order() -> None:
    terms = [term.lower() for term in re.findall(r"^\*\*(.+?)\*\*: ", GLOSSARY, re.MULTILINE)]
    assert terms and terms == sorted(set(terms))


def filled(notebook: Path, solved: Path, tasks: tuple[str, ...]) -> None:
    """Write the solutions of some tasks into a student's notebook, as a student would."""
    answers = {c["metadata"]["nbgrader"]["grade_id"]: c["source"] for c in cells(solved)}
    made = json.loads(notebook.read_text())
    for cell in made["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        if name.startswith(tasks):
            cell["source"] = answers[name]
    notebook.write_text(json.dumps(made))


def cells(notebook: Path) -> list[dict]:
    return [cell for cell in json.loads(notebook.read_text())["cells"] if "nbgrader" in cell["metadata"]]


@pytest.mark.slow
def test_nbgrader_makes_and_grades_an_assignment(tmp_path: Path) -> None:
    """Every nbgrader command of the page, in order, with two students: one knows two exercises, one all of them."""
    pytest.importorskip("nbgrader")
    from lab_lib.course.build import solution_notebook, student_notebook, to_text

    source = lab_sources(ROOT)["01"]
    for name, make in (("solutions", solution_notebook), ("notebooks", student_notebook)):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{source.stem}.ipynb").write_text(to_text(make(source)))
    (config,) = re.findall(r"^```python\n(.*?)^```", TEACHING, re.MULTILINE | re.DOTALL)
    (tmp_path / "grading").mkdir()
    (tmp_path / "grading" / "nbgrader_config.py").write_text(config)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(commands: list[str]) -> None:
        for command in commands:
            subprocess.run(["bash", "-ec", command], cwd=tmp_path, env=environment, check=True)

    first = COMMANDS.index("mkdir -p grading/source/lab01")
    last = COMMANDS.index("cd grading && nbgrader export")
    run(COMMANDS[first : first + 3])
    solved = tmp_path / "solutions" / f"{source.stem}.ipynb"
    for student, folder, tasks in (
        ("two", "grading/release/lab01", ("stub-01-1", "stub-01-2")),
        ("all", "notebooks", ("stub-",)),
    ):
        handed_in = tmp_path / "grading" / "submitted" / student / "lab01" / f"{source.stem}.ipynb"
        handed_in.parent.mkdir(parents=True)
        handed_in.write_text((tmp_path / folder / handed_in.name).read_text())
        filled(handed_in, solved, tasks)
    run(COMMANDS[first + 3 : last + 1])
    points = {
        cell["metadata"]["nbgrader"]["grade_id"][:10]: cell["metadata"]["nbgrader"]["points"]
        for cell in cells(solved)
        if cell["metadata"]["nbgrader"]["locked"]
    }
    rows = [line.split(",") for line in (tmp_path / "grading" / "grades.csv").read_text().splitlines()]
    scores = {row[3]: float(row[rows[0].index("score")]) for row in rows[1:]}
    assert scores == {"two": points["check-01-1"] + points["check-01-2"], "all": sum(points.values())}
    assert list((tmp_path / "grading" / "feedback").rglob("*.html"))
