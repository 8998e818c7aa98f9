"""What `lab` says of itself: panels of commands, its version; and the console that breaks lines on a terminal only."""

from __future__ import annotations

import io

import lab_lib
from lab_lib.cli import GROUPS, VERBS, app
from lab_lib.cli.console import safe_console


def test_every_command_stands_in_a_panel_of_80_columns(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    code, out, _ = cli("help")
    assert code == 0 and max(map(len, out.splitlines())) <= 80
    assert all(panel in out for panel in (*VERBS, *GROUPS)) and "─ Commands ─" not in out
    assert len(app.registered_commands) == sum(map(len, VERBS.values()))
    assert len(app.registered_groups) == sum(map(len, GROUPS.values()))


def test_the_version_is_that_of_the_package(cli):
    assert cli("--version")[:2] == (0, f"lab {lab_lib.__version__}\n")


def test_long_lines_are_broken_on_a_terminal_and_whole_in_a_file():
    for terminal, lines in ((True, 3), (False, 1)):
        console = safe_console(file=io.StringIO(), force_terminal=terminal, width=80, no_color=True)
        console.print("word " * 40, soft_wrap=True)
        assert console.file.getvalue().rstrip().count("\n") == lines - 1
