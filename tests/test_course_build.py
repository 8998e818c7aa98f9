"""Notebooks from a source: markers, ids, grading marks, execution, and every fault that `lab course check` reports."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbformat
import pytest
from rich.console import Console

from lab_lib.course.build import repository, solution_notebook, student_notebook, to_text
from lab_lib.course.execute import execute, plain
from lab_lib.course.make import make
from lab_lib.course.source import checkout, lab_sources, solution, stubbed
from lab_lib.course.verify import faults
from lab_lib.errors import LabError

SOURCE = '''# %% [markdown]
# # 07 · A lab
#
# Goals.

# %% tags=["parameters"]
FULL = False


# %%
def check(name, answer):
    assert answer(2) == 4


# %% [markdown]
# ### Exercise 07.1 · Double 🍇🍇
# Return twice the number.


# %%
def double(x):
    """Return 2 x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION


# %%
check("07.1", double)

# %% [markdown]
# ### Question 🍇🍇🍇: why?

# %% [markdown]
# <!-- BEGIN SOLUTION -->
# Because of 12.
# <!-- END SOLUTION -->

# %%
print("in", __import__("os").getcwd())
'''


def new_checkout(folder: Path) -> Path:
    """A checkout with one lab."""
    for name in ("solutions", "notebooks"):
        (folder / name).mkdir()
    (folder / "solutions" / "07_lab.py").write_text(SOURCE, encoding="utf-8")
    return folder


@pytest.fixture
def root(tmp_path) -> Path:
    return new_checkout(tmp_path)


@pytest.fixture(autouse=True, scope="module")
def no_set_up():
    """The set-up cell has tests of its own; here it would only take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab_lib.course.build.setup_cell", lambda repository: f"repository = {repository!r}")
        yield


def source(root: Path, text: str) -> Path:
    path = root / "solutions" / "07_lab.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_student_and_solution_differ_by_the_marked_parts_only(root):
    path = source(root, SOURCE)
    student, full = student_notebook(path), solution_notebook(path)
    differing = [(a, b) for a, b in zip(student["cells"], full["cells"], strict=True) if a["source"] != b["source"]]
    assert [a["cell_type"] for a, _ in differing] == ["markdown", "markdown", "code", "markdown"]  # badge, link, stubs
    assert 'return 2 x."""\n    # YOUR CODE HERE (roughly 1 line)\n    raise NotImplementedError()' in differing[2][0][
        "source"
    ].replace("Return", "return")
    assert differing[3][0]["source"] == "*Your answer here.*" and "Because of 12." in differing[3][1]["source"]
    assert "return 2 * x" not in json.dumps(student) and "Because" not in json.dumps(student)
    nbformat.validate(nbformat.from_dict(student))
    nbformat.validate(nbformat.from_dict(full))


def test_grapes_become_points(root):
    cells = student_notebook(source(root, SOURCE))["cells"]
    graded = [cell["metadata"]["nbgrader"] for cell in cells if "nbgrader" in cell["metadata"]]
    assert [(mark["grade"], mark["solution"], mark.get("points")) for mark in graded] == [
        (False, True, None),
        (True, False, 2),
        (True, True, 3),
    ]
    assert len({mark["grade_id"] for mark in graded}) == 3


def test_cell_ids_stay_when_other_cells_come(root):
    before = {cell["source"]: cell["id"] for cell in student_notebook(source(root, SOURCE))["cells"]}
    more = SOURCE.replace("# %% [markdown]\n# ### Ex", "# %%\n1 + 1\n\n# %%\n1 + 1\n\n# %% [markdown]\n# ### Ex")
    after = [(cell["source"], cell["id"]) for cell in student_notebook(source(root, more))["cells"]]
    assert len({name for _, name in after}) == len(after) == len(before) + 2
    assert set(before.items()) <= set(after)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("    return 2 * x\n", "    ### BEGIN SOLUTION\n    return 2 * x\n", "cell 5: BEGIN SOLUTION inside"),
        ("    ### END SOLUTION\n", "", "cell 5: BEGIN SOLUTION is never closed"),
        ("    ### BEGIN SOLUTION\n", "", "cell 5: END SOLUTION without"),
        ('check("07.1", double)', "double(2)", "07.1 has no check"),
        ("Exercise 07.1", "Exercise 07.2", "numbered 07.1; found 07.2"),
        ("# # 07 · A lab", "# # A lab", "begin with '# 07 · Title'"),
    ],
)
def test_a_wrong_source_is_named_with_its_cell(root, old, new, message):
    assert old in SOURCE
    with pytest.raises(LabError, match=message) as error:
        student_notebook(source(root, SOURCE.replace(old, new)))
    assert "07_lab.py" in str(error.value)


def test_stub_has_the_indent_of_its_marker():
    text = "if x:\n        # BEGIN SOLUTION\n        y = 1\n        # END SOLUTION\nz = 2"
    assert stubbed(text, ("a", "b"), "here") == "if x:\n        a\n        b\nz = 2"


def test_solution_of_an_exercise_is_its_code_alone():
    assert solution("07.1", SOURCE) == 'def double(x):\n    """Return 2 x."""\n    return 2 * x\n'
    with pytest.raises(LabError, match=r"did you mean .07\.1"):
        solution("07.7", SOURCE)


def test_make_writes_both_and_leaves_alone_what_did_not_change(root):
    make(root, [], False, Console(quiet=True))
    assert faults(root) == []
    full = root / "solutions" / "07_lab.ipynb"
    written = full.read_text(encoding="utf-8")
    assert str(root) not in written and '"in .\\n"' in written  # the work folder is not named
    before = full.stat().st_mtime_ns
    make(root, ["07"], False, Console(quiet=True))
    assert full.stat().st_mtime_ns == before
    make(root, ["07"], True, Console(quiet=True))
    assert full.read_text(encoding="utf-8") == written and full.stat().st_mtime_ns > before


def test_outputs_are_kept_when_only_text_changes(made, tmp_path, monkeypatch):
    root = shutil.copytree(made, tmp_path / "copy")

    def never(*_):
        raise AssertionError("executed again")

    monkeypatch.setattr("lab_lib.course.make.execute", never)
    source(root, SOURCE.replace("Goals.", "Other goals."))
    make(root, [], False, Console(quiet=True))
    assert faults(root) == [] and "Other goals." in (root / "notebooks" / "07_lab.ipynb").read_text(encoding="utf-8")
    source(root, SOURCE.replace("FULL = False", "FULL = True"))
    with pytest.raises(AssertionError, match="executed again"):
        make(root, [], False, Console(quiet=True))


def test_nothing_is_written_when_a_cell_fails(root):
    source(root, SOURCE.replace("return 2 * x", "return 3 * x"))
    with pytest.raises(LabError, match=r"07_lab, cell 7: (?s:.*)AssertionError"):
        make(root, [], False, Console(quiet=True))
    assert not list(root.glob("*/*.ipynb"))


@pytest.fixture(scope="module")
def made(tmp_path_factory, no_set_up) -> Path:
    """A checkout whose notebooks were made."""
    root = new_checkout(tmp_path_factory.mktemp("made"))
    make(root, [], False, Console(quiet=True))
    return root


def edit(folder: str, change):
    def edited(root: Path) -> None:
        path = root / folder / "07_lab.ipynb"
        notebook = nbformat.read(path, as_version=4)
        change(notebook)
        path.write_text(to_text(notebook), encoding="utf-8")

    return edited


def add_output(text: str):
    output = nbformat.v4.new_output("stream", name="stdout", text=text)
    return edit("solutions", lambda notebook: notebook.cells[1].outputs.append(output))


@pytest.mark.parametrize(
    "change, message",
    [
        (edit("notebooks", lambda n: n.cells[2].update(source="FULL = True")), "notebooks/07_lab.ipynb: differs"),
        (
            edit("notebooks", lambda n: n.cells[2].outputs.append(nbformat.v4.new_output("stream", text="left"))),
            "notebooks/07_lab.ipynb: differs",
        ),
        (edit("solutions", lambda n: n.cells[2].update(source="FULL = True")), "solutions/07_lab.ipynb: differs"),
        (edit("solutions", lambda n: n.cells[2].update(execution_count=None)), "cell 3: executed as number None"),
        (edit("solutions", lambda n: n.metadata.update(widgets={})), "widget state"),
        (add_output("key hf_" + "A1" * 17), "holds a Hugging Face token"),
        (add_output("wrote /home/ann/runs/1"), "cell 2: the output names a path of one machine, /home/ann/runs/1"),
        (add_output("x" * 1_000_001), "GitHub shows notebooks up to"),
        (lambda root: (root / "notebooks" / "07_lab.ipynb").unlink(), "missing; run 'make notebooks'"),
        (lambda root: (root / "notebooks" / "08_old.ipynb").write_text("{}"), "08_old.ipynb: no source"),
        (lambda root: source(root, SOURCE + "\n# %%\n3\n"), "solutions/07_lab.ipynb: differs"),
    ],
)
def test_check_names_what_is_wrong(made, tmp_path, change, message):
    root = shutil.copytree(made, tmp_path / "copy")
    change(root)
    found = faults(root)
    assert any(message in fault for fault in found), found


def test_outputs_are_made_fit_to_commit():
    cells = ["print('a 10 %', end='\\r'); print('a 90 %')", "from ipywidgets import IntSlider\nIntSlider()"]
    notebook = {**nbformat.v4.new_notebook(), "cells": [nbformat.v4.new_code_cell(cell) for cell in cells]}
    done = execute(notebook, "small")
    assert done.cells[0].outputs[0].text == "a 90 %\n"
    assert "widget" not in to_text(done).replace("ipywidgets", "")
    assert all("execution" not in cell.metadata for cell in done.cells)


def test_plain_keeps_ends_of_lines():
    assert plain("one\r\ntwo\r\n") == "one\ntwo\n"


def test_the_repository_is_named_once():
    assert repository().startswith("https://github.com/") and not repository().endswith("/")


def test_every_lab_of_the_course_builds():
    for path in lab_sources(checkout()).values():
        assert student_notebook(path)["cells"] and solution_notebook(path)["cells"]
