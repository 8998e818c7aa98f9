"""docs/pitfalls.md holds what it promises: its tests exist, its commands are taken, the lines it quotes are said."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest
from command_line import commands, parse

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "pitfalls.md").read_text(encoding="utf-8")
SECTIONS = {
    int(number): body for number, body in re.findall(r"^## (\d+)\. (.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
}
COMMANDS = commands(TEXT)
SAID = re.findall(r"^    (?:error|prints): (.*)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(tests/\w+\.py::\w+)`", TEXT))))
def test_every_test_it_names_is_there(named):
    path, name = named.split("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("number", SECTIONS)
def test_every_section_names_a_test_and_a_thread(number):
    assert re.search(r"`tests/\w+\.py::\w+`", SECTIONS[number])
    assert re.search(r"\b[\w.-]+/[\w.-]+#\d+\b", SECTIONS[number])


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_one_that_lab_takes(words):
    """What the commands do is tested elsewhere."""
    parse(words)


@lru_cache
def templates() -> tuple[str, ...]:
    """Every text in the source of lab_lib; `…` stands for what an f-string fills in."""
    found = []
    for path in (ROOT / "lab_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(p.value if isinstance(p, ast.Constant) else "…" for p in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return tuple(found)


@pytest.mark.parametrize("line", SAID)
def test_every_line_it_quotes_is_in_the_source(line):
    pattern = re.compile(".*".join(map(re.escape, line.split("…"))), re.DOTALL)
    assert any(pattern.search(template) for template in templates())


def test_the_page_quotes_and_runs_something():
    assert SECTIONS and COMMANDS and SAID
