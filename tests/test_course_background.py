"""The start of labs: a run that trains in the background, and a recorded conversation."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import parse

from lab_lib.course import background, overheard
from lab_lib.errors import LabError


class Started:
    """A process that runs until it is told that it has ended."""

    def __init__(self, command, **_):
        self.command, self.code = command, None

    def poll(self):
        return self.code


def test_a_run_is_started_once_where_a_person_works(tmp_path, monkeypatch, capsys):
    commands = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        background.subprocess, "Popen", lambda *a, **k: commands.append(Started(*a, **k)) or commands[-1]
    )
    monkeypatch.setattr(background, "started", {})
    monkeypatch.setenv("LAB_STATIC_WIDGETS", "1")
    run = background.in_background("04", "town-qlora-cpu", "data.report=dev")
    run.watch()
    assert not commands and capsys.readouterr().out.count(background.NOBODY) == 2
    monkeypatch.setenv("LAB_STATIC_WIDGETS", "0")
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    for says in ("trains in the background", "is training already"):
        assert background.in_background("04", "town-qlora-cpu", "data.report=dev") == run
        assert says in capsys.readouterr().out
    (only,) = commands
    context = parse(only.command[3:])  # after `python -m lab_lib`
    assert Path(context.params["out"]) == run.path and context.params["overrides"] == ["data.report=dev"]
    only.code = 0
    run.path.mkdir(parents=True)
    (run.path / "record.json").write_text("{}")
    background.in_background("04", "town-qlora-cpu", "data.report=dev")
    assert "is complete" in capsys.readouterr().out and len(commands) == 1
    with pytest.raises(LabError, match="did you mean"):
        background.in_background("04", "twon-qlora-cpu")


def test_a_recorded_conversation_is_filled_and_shows_wrong_calls(capsys):
    overheard(12, turns=2, calls=True)
    said = capsys.readouterr().out
    assert said.count("user ") == said.count("model ") == 2 and "the rose lantern" in said
    assert 'name="the drowsy heron"' in said and "(right)" in said and 'name="the agave terrace"' in said
    overheard(4, turns=4)
    assert "calls" not in (plain := capsys.readouterr().out) and plain.count("user ") == 4
