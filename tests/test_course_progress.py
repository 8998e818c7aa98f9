"""A student's folder: folders of results, points, borrowed solutions, a working copy, and the folder of a class."""

from __future__ import annotations

import json
import subprocess

import pytest

from lab_lib.course import check, checks, lab_folder, progress, solve
from lab_lib.course.checks.core import WrongAnswer
from lab_lib.course.points import counted, exercise_id, in_words, optional, points, points_fault
from lab_lib.course.reveal import NAMES, reveal
from lab_lib.course.source import checkout, lab_sources
from lab_lib.errors import LabError
from lab_lib.files import read_json, write_json
from lab_lib.runs.config import load_recipe
from tests.course_answers import right_answers


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder of a student's notebooks, with nothing solved."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "EARNED", {})
    return tmp_path


@pytest.fixture
def kernel(monkeypatch):
    monkeypatch.setattr(progress, "in_notebook", lambda: True)


def test_the_same_settings_have_the_same_folder_and_others_another():
    small, large = (load_recipe("town-qlora-cpu", [f"training.steps={steps}"]) for steps in (5, 6))
    same = {str(lab_folder("04", small)), str(lab_folder("04", load_recipe("town-qlora-cpu", ["training.steps=5"])))}
    others = [
        lab_folder("04", large),
        lab_folder("05", small),
        lab_folder("04", small, 3),
        lab_folder("04", small, name="x"),
    ]
    assert len(same) == 1 and len({*same, *map(str, others)}) == 5
    assert all(path.parts[0] == "runs" and path.name.startswith(("lab04-", "lab05-")) for path in others)


def test_a_demonstration_begins_with_an_empty_place():
    folder = lab_folder("21", name="whole")
    (folder / "checkpoints").mkdir(parents=True)
    assert lab_folder("21", name="whole") == folder and folder.exists()
    assert lab_folder("21", name="whole", fresh=True) == folder and not folder.exists()


@pytest.mark.parametrize(
    "arguments", [{"lab": "4"}, {"lab": 4}, {"lab": "../x"}, {"lab": "04", "name": "a/b"}, {"lab": "04", "name": ".."}]
)
def test_a_folder_lies_below_runs(arguments):
    with pytest.raises(LabError, match="expected a lab such as '04'"):
        lab_folder(**arguments)
    with pytest.raises(LabError, match="cannot be written down"):
        lab_folder("04", {1, 2})


def test_points_are_counted_and_kept_in_the_folder(kernel, folder, capsys):
    answers = right_answers("03")
    check("03.3", answers["03.3"])
    check("03.1", answers["03.1"])
    check("03.1", answers["03.1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "✓ 03.3 top-p 🍇🍇 · 2 of 16 in this lab"
    assert [line.partition(" · ")[2] for line in lines[1:]] == ["3 of 16 in this lab"] * 2
    assert read_json(folder / "progress.json") == {"03.1": 1, "03.3": 2}
    with pytest.raises(WrongAnswer):
        check("03.2", print)
    assert read_json(folder / "progress.json") == {"03.1": 1, "03.3": 2}


def test_a_borrowed_solution_counts_nothing_and_ones_own_everything(kernel, folder, capsys):
    check("03.1", softmax := solve("03.1"))
    assert softmax.__doc__ and "(borrowed, 0 points) · 0 of 16" in capsys.readouterr().out
    check("03.1", right_answers("03")["03.1"])
    check("03.1", solve("3.1"))
    assert read_json(folder / "progress.json") == {"03.1": 1}


@pytest.mark.parametrize("lab", NAMES)
def test_a_solution_of_every_lab_can_be_borrowed(lab, capsys):
    third = list(points()[lab])[2]
    check(third, solve(third))
    borrowed, right = capsys.readouterr().out.splitlines()[-2:]
    assert f"runs/lab{lab}-borrowed/" in borrowed and right.startswith(f"✓ {third}")


def test_progress_is_shown_and_a_damaged_file_is_named(folder, cli):
    assert "no exercise was checked" in cli("course", "progress")[2]
    write_json(folder / "progress.json", {"03.1": 1, "03.2": 0, "03.9": 99, "99.1": 5, "04.1": "x"})
    code, out, _ = cli("course", "progress", folder)
    assert code == 0 and "03  [#                   ]  1 of 16 points, 1 of 9 (core 1 of 5)\n    borrowed: 03.2" in out
    assert out.splitlines()[-1].startswith("1 of ") and max(map(len, out.splitlines())) <= 80
    (folder / "progress.json").write_text("{")
    code, _, err = cli("course", "progress")
    assert code == 2 and err.startswith("error: progress.json: line 1") and len(err.splitlines()) == 1


def test_a_right_answer_is_right_where_nothing_can_be_kept(kernel, folder, capsys):
    (folder / "progress.json").write_text("[]")
    check("03.1", right_answers("03")["03.1"])
    assert "✓ 03.1" in (out := capsys.readouterr().out) and "not kept: progress.json: expected a JSON object" in out


def test_stored_points_are_those_of_the_headings():
    assert points_fault(checkout()) is None
    stored = json.loads(counted(checkout()))
    assert {lab: {name: most for name, (most, _) in found.items()} for lab, found in stored.items()} == points()
    assert optional() < {name for found in points().values() for name in found}
    assert set(points()) == set(checks.labs()) == set(lab_sources(checkout()))


@pytest.mark.parametrize(
    "name, message", [("4.99", "no such exercise"), ("nonsense", "valid"), ("", "no such exercise")]
)
def test_exercises_are_named_shortly_or_in_full(name, message):
    assert exercise_id("4.2") == exercise_id(" 04.2 ") == "04.2" and reveal("4.2") == reveal("04.2")
    with pytest.raises(LabError, match=message):
        exercise_id(name)


def test_without_emojis_points_are_words(monkeypatch, capsys):
    monkeypatch.setenv("LAB_EMOJI", "0")
    check("03.3", right_answers("03")["03.3"])
    assert "(2 points) · 2 of 16" in capsys.readouterr().out
    assert in_words("### Question 🍇: why?") == "### Question (1 point): why?"


def test_an_error_in_a_notebook_is_one_line_with_a_remedy_for_notebooks(capsys):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.user_ns["error"] = LabError(
        "runs/x: was made with a=1, not 2; choose another --out, or 'lab data fetch town'"
    )
    shell.run_cell("raise error")
    shown = "".join(capsys.readouterr()).strip()
    remedies = "choose another folder, or delete this one, or '!lab data fetch town'"
    assert shown == f"error: runs/x: was made with a=1, not 2; {remedies}"


def test_a_copy_has_notebooks_and_data_and_keeps_what_a_student_wrote(tmp_path, cli):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    code, out, _ = cli("course", "start", tmp_path / "mine")
    assert code == 0 and out.strip() == str(tmp_path / "mine")
    copied = sorted(path.stem for path in (tmp_path / "mine").glob("*.ipynb"))
    assert copied == sorted(NAMES.values()) and (tmp_path / "mine" / "data" / "town").is_dir()
    status = subprocess.run(["git", "status", "--short"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert status.stdout == ""
    (tmp_path / "mine" / f"{copied[0]}.ipynb").write_text("mine")
    assert "kept as it is" in cli("course", "start", tmp_path / "mine")[2]
    assert (tmp_path / "mine" / f"{copied[0]}.ipynb").read_text() == "mine"


def test_a_folder_that_git_tracks_is_no_place_for_a_copy(cli):
    code, _, err = cli("course", "start", checkout() / "notebooks")
    assert code == 2 and "git tracks files here" in err and len(err.splitlines()) == 1


def test_the_notebooks_of_a_class_lead_to_no_solution(tmp_path, cli, monkeypatch):
    given = tmp_path / "class"
    assert cli("course", "build", "03", "--class", given, "--seed", "7")[0] == 0
    text = (given / "03_decoding.ipynb").read_text()
    assert "Stuck?" not in text and "solutions/" not in text and "YOUR CODE HERE (roughly" in text
    assert [path.name for path in given.glob("*.ipynb")] == ["03_decoding.ipynb"]
    (given / "work").mkdir()
    monkeypatch.chdir(given / "work")  # also below it
    for refused in (lambda: solve("03.1"), lambda: reveal("03.1")):
        with pytest.raises(LabError, match="turned off in the folder of this class"):
            refused()
    write_json(given / "class.json", {"seed": "x"})
    with pytest.raises(LabError, match="expected a whole number 'seed'"):
        reveal("03.1")


DRAWN = ("02.7", "02.8", "03.1", "03.2", "04.6", "04.7", "20.8", "22.1", "22.2", "22.3", "22.6", "22.7")


@pytest.mark.parametrize("exercise", DRAWN)
def test_a_class_has_other_inputs_and_the_same_right_answers(exercise, folder, capsys):
    from lab_lib.course.checks.core import drawn

    usual = drawn(1).random()
    for seed in (0, 7):
        write_json(folder / "class.json", {"seed": seed})
        assert drawn(1).random() != usual
        check(exercise, right_answers(exercise[:2])[exercise])
    assert capsys.readouterr().out.count(f"✓ {exercise}") == 2
