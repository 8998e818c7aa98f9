"""Settings of the environment are read and checked when a command begins."""

from __future__ import annotations

import pytest
from command_line import lab

from lab_lib.errors import LabError
from lab_lib.processes.settings import CHECKS, check_environment, whole
from lab_lib.tasks import find_task

NUMBERS = ["LAB_MAX_RESTARTS", "LAB_PROCESSES", "LAB_WORLD_SIZE", "RANK", "WORLD_SIZE", "LOCAL_RANK"]
NO_NUMBERS = ["many", "-1", "1.5", "1e3", "٣", "²", " 1", "9" * 5000, "PATH[$(touch x)]", "\x1b[2J"]
WRONG = [
    *((name, value) for name in NUMBERS for value in NO_NUMBERS),
    *(("LAB_PROCESSES", "0"), ("LAB_WORLD_SIZE", "0"), ("WORLD_SIZE", "0"), ("SLURM_RESTART_COUNT", "x")),
    *(("LAB_REQUEUE", "yes"), ("LAB_STATIC_WIDGETS", "2"), ("LAB_SBATCH", "--comment='a"), ("LAB_DATA", __file__)),
    *(("RANK", "1"), ("SLURM_JOB_ID", "../../elsewhere"), ("SLURM_ARRAY_TASK_ID", "3/..")),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_value_that_cannot_be_meant_is_one_line(name, value):
    with pytest.raises(LabError) as caught:
        check_environment({name: value})
    said = str(caught.value)
    assert said.startswith(f"{name}=") and said.isprintable() and len(said) < 200


def test_values_that_can_be_meant_are_taken():
    assert check_environment(dict.fromkeys(CHECKS, "")) == []
    given = {
        "LAB_MAX_RESTARTS": "0",
        "LAB_PROCESSES": "2",
        "LAB_SBATCH": "--mem=4G --comment='a'",
        "LAB_REQUEUE": "1",
    }
    assert check_environment({**given, "LAB_ARTEFACTS": "x", "LAB_DATA": "/nowhere/yet"}) == []
    assert (whole("X", 100, environment={}), whole("X", 100, environment={"X": "007"})) == (100, 7)


def test_a_name_that_nothing_reads_and_is_nearly_ours_is_told():
    (note,) = check_environment({"LAB_MAX_RESTART": "3"})
    assert note.startswith("LAB_MAX_RESTART is set") and note.endswith("did you mean LAB_MAX_RESTARTS?")


def test_a_command_begins_with_the_check(monkeypatch, capsys):
    monkeypatch.setenv("LAB_MAX_RESTARTS", "many")
    assert lab("recipes", "ls") == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("error: LAB_MAX_RESTARTS='many': expected a whole number, 0 or more")


@pytest.mark.parametrize(
    "place",
    ["nowhere:Task", "json", ".relative:Task", ":Task", "json:", "json:JSONDecoder", "this_breaks:Task"],
)
def test_a_task_of_ones_own_that_cannot_be_loaded_is_one_line(place, monkeypatch, tmp_path):
    (tmp_path / "this_breaks.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("LAB_TASKS", place)
    with pytest.raises(LabError, match=f"^LAB_TASKS={place}: expected module:Class"):
        find_task("mine")
