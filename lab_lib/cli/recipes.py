"""`lab recipes`: discover, read, copy, check."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.console import console, print_line
from lab_lib.errors import visible

app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A name from 'lab recipes ls', or a YAML file.")]


@app.command()
def ls() -> None:
    """List the bundled recipes: the question of each, and its measured cost."""
    from lab_lib.runs.config import recipe_cost, recipe_names, recipe_title

    for name in recipe_names():
        print(f"{name:28} {recipe_title(name)}\n{'':28} cost: {recipe_cost(name)}")


@app.command()
def cat(name: Name) -> None:
    """Print a recipe."""
    from lab_lib.files import read_text
    from lab_lib.runs.config import recipe_path

    text = read_text(recipe_path(name))
    # A file gets it as it is; in a terminal, the recipe of somebody else can do nothing.
    print(visible(text, keep="\n\t") if sys.stdout.isatty() else text, end="")


@app.command()
def cp(name: Name, target: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")]) -> None:
    """Copy a recipe to a file of your own, to edit and run."""
    from lab_lib.errors import LabError
    from lab_lib.files import read_text, write_text
    from lab_lib.runs.config import recipe_path

    if target.exists():
        raise LabError(f"{target}: exists already; nothing was written")
    print(write_text(target, read_text(recipe_path(name))))


@app.command()
def validate(name: Name, overrides: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Check a recipe's keys, values and types, and print it with every default filled in."""
    from lab_lib.config import to_yaml
    from lab_lib.runs.config import load_recipe, make_task
    from lab_lib.runs.no_effect import lines_without_effect
    from lab_lib.runs.preflight import require_packages
    from lab_lib.sweeps.grid import load_sweep
    from lab_lib.training.arguments import untrained_line

    sweep = load_sweep(name, overrides or [])
    config = load_recipe(name, overrides or [])
    for one in [member.config for member in sweep.members] if sweep else [config]:
        require_packages(one, make_task(one))
    print(visible(to_yaml(config), keep="\n"), end="")
    idle = lines_without_effect(config, make_task(config))
    for line in filter(None, (untrained_line(config.training, config.training.steps), *idle)):
        print_line(line)
    console.print(f"{name}: valid" + (f"; sweep of {sweep}" if sweep else ""))
