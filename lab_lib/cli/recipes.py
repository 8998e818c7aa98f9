"""`lab recipes`: discover, read, copy, check."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.arguments import FIRST_RECIPE
from lab_lib.cli.console import console, print_line
from lab_lib.errors import visible

app = typer.Typer(no_args_is_help=True)
PURPOSES = {  # of the bundled recipes, in the order of the list, and what each kind needs
    "OFFLINE": "data and model are bundled: minutes on a laptop",
    "CHAT MODEL": "a real one of 135 M; first: lab models fetch smollm2-135m",
    "REAL DATA": "a real corpus; first: lab data fetch NAME, or LAB_DATA",
    "QUESTIONS": "a question of the course, answered by a sweep of many runs",
    "GPU": "models from a hub; not run here, see the header of each",
}
REAL = ("multiwoz", "dailydialog", "sgd")  # in the names of corpora that are not bundled
Name = Annotated[str, typer.Argument(help="A name from 'lab recipes ls', or a YAML file.")]


@app.command()
def ls() -> None:
    """List the bundled recipes by purpose: the question of each, what running it cost, and what its record says."""
    from lab_lib.runs.config import recipe_names

    print(f"The first one to try: lab run {FIRST_RECIPE}  (lab demo is the same)")
    kinds = {name: _purpose(name) for name in recipe_names()}
    for purpose, needs in PURPOSES.items():
        print(f"\n{purpose}  {needs}")
        for name in sorted((n for n in kinds if kinds[n] == purpose), key=lambda name: (name != FIRST_RECIPE, name)):
            _list(name)


def _purpose(name: str) -> str:
    """Return the kind of a recipe, one of PURPOSES: by its name, its model and its corpus."""
    from lab_lib.corpora.config import DataConfig
    from lab_lib.models.config import ModelConfig
    from lab_lib.runs.config import recipe_values

    values = recipe_values(name)
    model = (values.get("model") or {}).get("name", ModelConfig.name)
    corpus = (values.get("data") or {}).get("corpus", DataConfig.corpus)
    if name.endswith("-gpu") or "/" in model:
        return "GPU"
    if "smollm2" in model:
        return "CHAT MODEL"
    if "sweep" in values:
        return "QUESTIONS"
    return "REAL DATA" if any(word in corpus for word in REAL) else "OFFLINE"


def _list(name: str) -> None:
    """Print a recipe's name and cost, its question and what its record says, in lines of 80 characters."""
    from lab_lib.runs.config import NOT_MEASURED, recipe_cost, recipe_found, recipe_title

    found = recipe_found(name)
    lines = [(f"  {name:28} cost: {recipe_cost(name)}", 31), (f"      {recipe_title(name)}", 6)]
    for text, indent in (*lines, *([(f"      found: {found}", 8)] if found != NOT_MEASURED else [])):
        print(textwrap.fill(text, 80, subsequent_indent=" " * indent))


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
