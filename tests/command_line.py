"""The command line as tests run it: in this process, or only parsed; and the commands that a page of text shows."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from functools import cache

import typer

from lab_lib.cli import app, main
from lab_lib.runs.config import load_recipe

# To build the tree of all commands takes longer than most of what tests ask of them.
typer.main.get_command = cache(typer.main.get_command)


def lab(*arguments: object) -> int:
    """Run `lab` with these arguments in this process and return its exit code; what it prints is not captured."""
    before, sys.argv = sys.argv, ["lab", *map(str, arguments)]
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = before
    return 0


def commands(page: str, program: str = "lab") -> list[list[str]]:
    """Return the commands of a program that a page shows, in order: its indented lines, as words after the program.

    A `#` after two spaces begins a comment. `program` may be a pattern such as `(?:lab|make)`.
    """
    lines = re.findall(rf"^ {{4,}}{program} (.*)$", page, re.MULTILINE)
    return [shlex.split(line.split("  #")[0]) for line in lines]


def parse(words: Sequence[str]) -> typer.Context:
    """Parse the words after `lab` and return what the command would be called with; nothing is run.

    A recipe is read with its overrides and checked. Raises click's UsageError, or LabError for a recipe.
    """
    group = typer.main.get_command(app)
    context = group.make_context("lab", list(words))
    while hasattr(group, "resolve_command"):
        name, group, words = group.resolve_command(context, list(words))
        context = group.make_context(name, list(words), parent=context)
    if {"recipe", "overrides"} <= context.params.keys():
        load_recipe(context.params["recipe"], context.params["overrides"] or [])
    return context
