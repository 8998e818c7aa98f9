"""The notebooks themselves: each solution runs from top to bottom, each student's notebook up to its first stub."""

from __future__ import annotations

import ast
import copy
import pkgutil
import re

import pytest

from lab_lib.course.build import solution_notebook, student_notebook
from lab_lib.course.execute import execute
from lab_lib.course.reveal import NAMES, reveal
from lab_lib.course.source import checkout, exercises, lab_sources
from lab_lib.course.verify import faults
from lab_lib.errors import LabError
from lab_lib.files import read_json, read_text

LABS = lab_sources(checkout())
STUB = "raise NotImplementedError()"


def test_stored_notebooks_come_from_their_sources():
    assert faults(checkout()) == []


def test_names_without_a_checkout_are_those_of_the_sources():
    assert {number: path.stem for number, path in LABS.items()} == NAMES


@pytest.mark.parametrize("number", LABS)
def test_each_lab_has_exercises_grapes_and_a_way_on(number):
    text = read_text(LABS[number])
    assert len(exercises(text)) >= 4
    assert "🍇" in text and "What to try next" in text and "FULL = False" in text
    assert "RESULT(" not in text  # the placeholder of a number that is not filled in yet
    assert all(reveal(name).strip() for name in exercises(text))


@pytest.mark.parametrize("number", LABS)
def test_something_is_shown_within_three_cells(number):
    """Text, a picture or an error; neither the collapsed set-up cell nor the corridor counts."""
    cells = [cell for cell in read_json(LABS[number].with_suffix(".ipynb"))["cells"] if cell["cell_type"] == "code"]
    assert cells[0]["metadata"]["jupyter"]["source_hidden"]
    said = [output for cell in cells[1:4] for output in cell["outputs"] if "corpus -> " not in str(output)]
    assert said


@pytest.mark.parametrize("number", LABS)
def test_what_a_lab_imports_is_there(number):
    """Finds names that have moved, in the default tier, which executes no notebook."""
    nodes = [node for node in ast.walk(ast.parse(read_text(LABS[number]))) if isinstance(node, ast.ImportFrom)]
    names = [f"{node.module}.{alias.name}" for node in nodes for alias in node.names]
    ours = [name for name in names if name.startswith("lab_lib.")]
    assert ours and all(pkgutil.resolve_name(name) is not None for name in ours)


# Where a quarter of a number would break the lab: lab 21 kills a run after its checkpoint of step 2.
OTHER = {"21": {"STEPS": 3}}


def other_parameters(number, notebook):
    """Return a notebook in which every number of its parameter cell, without FULL, is a quarter, and 2 at least."""
    changed = copy.deepcopy(notebook)
    (cell,) = (cell for cell in changed["cells"] if "parameters" in cell["metadata"].get("tags", ()))
    wanted = OTHER.get(number, {})

    def other(line):
        return f"{line[1]}{wanted.get(line[2]) or max(2, int(line[3]) // 4)}"

    cell["source"] = re.sub(
        r"^((\w+) = (?:[^#\n]*? if FULL else )?)(\d+)(?= |$)", other, cell["source"], flags=re.MULTILINE
    )
    return changed


# Labs whose whole size costs a minute or two: it is their second run. The others train longer, or need a hub, a GPU or
# the real corpora.
CHEAP = ("02", "22")
# Labs of minutes: a second run of each is a test of its own, which .ci/run leaves out (see `make run-notebooks`).
LONG = ("00", "03", "04", "06", "21")


def with_full(notebook):
    """Return a notebook with FULL = True, as a student would set it."""
    changed = copy.deepcopy(notebook)
    (cell,) = (cell for cell in changed["cells"] if "parameters" in cell["metadata"].get("tags", ()))
    assert "FULL = False" in cell["source"]
    cell["source"] = cell["source"].replace("FULL = False", "FULL = True")
    return changed


@pytest.fixture(scope="module")
def one_folder(tmp_path_factory):
    """The folder of a student who does all labs in it; two workers of a test run share it."""
    folder = tmp_path_factory.getbasetemp().parent / "one-folder"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.notebooks
@pytest.mark.parametrize("number", LABS)
def test_solution_runs_twice_in_the_folder_of_all_labs(number, one_folder):
    """As a student does: the labs in one folder, each a second time with other parameters, the cheap ones in full."""
    first = solution_notebook(LABS[number])
    run_solution(number, first, one_folder)
    if number not in LONG:
        run_solution(number, with_full(first) if number in CHEAP else other_parameters(number, first), one_folder)
    assert set(read_json(one_folder / "progress.json")) >= set(exercises(read_text(LABS[number])))


@pytest.mark.notebooks
@pytest.mark.twice
@pytest.mark.parametrize("number", LONG)
def test_a_long_solution_runs_a_second_time(number, tmp_path):
    first = solution_notebook(LABS[number])
    for notebook in (first, other_parameters(number, first)):
        run_solution(number, notebook, tmp_path)


def run_solution(number, notebook, folder):
    """Execute a notebook; every check of an exercise must pass."""
    done = execute(notebook, LABS[number].stem, folder)
    checks = [cell for cell in done.cells if cell.cell_type == "code" and cell.source.startswith("check(")]
    assert len(checks) >= 4 and all("✓" in cell.outputs[0].text for cell in checks)


@pytest.mark.notebooks
@pytest.mark.parametrize("number", LABS)
def test_student_notebook_runs_up_to_its_first_stub(number):
    notebook = copy.deepcopy(student_notebook(LABS[number]))
    code = [place for place, cell in enumerate(notebook["cells"], 1) if cell["cell_type"] == "code"]
    stub = next(place for place in code if STUB in notebook["cells"][place - 1]["source"])
    check = next(
        place for place in code if place > stub and notebook["cells"][place - 1]["source"].startswith("check(")
    )
    notebook["cells"] = notebook["cells"][:check]
    with pytest.raises(LabError) as error:
        execute(notebook, LABS[number].stem)
    message = str(error.value)
    place = int(message.partition("cell ")[2].partition(":")[0])
    assert stub <= place <= check, message
    assert "not written yet" in message or "NotImplementedError" in message, message
