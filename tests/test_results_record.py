"""The record of a run: its command can be run again."""

from __future__ import annotations

import shlex

import pytest

from lab_lib.results.record import environment, without_folder, words


@pytest.mark.parametrize(
    "arguments",
    [["run", "x", "prompt.instruction=You are a clerk; it's $HOME"], ["run", "x", "lora.modules=regexp:(q|v)"]],
)
def test_a_command_with_spaces_can_be_run_again(monkeypatch, arguments):
    monkeypatch.setattr("sys.argv", ["/somewhere/lab", *arguments])
    command = environment()["command"]
    assert shlex.split(command) == words(command) == ["lab", *arguments]


@pytest.mark.parametrize("out", [["--out", "/a b/it's"], ["--out=/a b/it's"], ["--out", "/a"], ["--out="]])
def test_a_folder_is_left_out_however_it_is_written(out):
    for rest in ([], ["--jobs", "2"]):
        assert without_folder(shlex.join(["lab", "run", "x", *out, *rest])) == shlex.join(["lab", "run", "x", *rest])
        command = f"{shlex.join(['lab', 'run', 'x', *rest, *out])}; lab decode RUN"
        assert without_folder(command) == f"{shlex.join(['lab', 'run', 'x', *rest])}; lab decode RUN"


@pytest.mark.parametrize(
    "command",
    [
        "lab run x 'prompt.instruction=say --out loud; then go'",
        "lab run x prompt.instruction=You are what you're",  # as commands were written once: nothing of it is lost
        "LAB_DATA=FOLDER lab run x; lab decode RUN ;",
    ],
)
def test_other_commands_stay_as_they_are(command):
    assert without_folder(command) == command.replace(" ;", ";")
