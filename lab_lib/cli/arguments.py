"""The arguments of a verb, read before it is started: as a job that may wait for hours, or by several processes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lab_lib.errors import LabError

if TYPE_CHECKING:
    from lab_lib.sweeps.grid import Sweep


def parsed(verb: Any, given: list[str]) -> dict[str, Any]:
    """Return the arguments of a verb as its own command line would read them; it ends with its usage for bad ones."""
    own = typer.Typer(add_completion=False)
    own.command()(verb)
    return dict(typer.main.get_command(own).make_context(verb.__name__, list(given)).params)


def require_recipe(values: Mapping[str, Any]) -> Sweep | None:
    """Return the sweep of the recipe that these arguments of `run` or `train` name; None when it is a single run.

    Raises LabError for a recipe, a key or a value that is not there.
    """
    from lab_lib.runs.config import load_recipe
    from lab_lib.sweeps.grid import load_sweep

    recipe, overrides = values["recipe"], values["overrides"] or []
    load_recipe(recipe, overrides)
    return load_sweep(recipe, overrides)


BESIDE = (".html", ".md", ".png", ".svg")  # endings of what commands write beside a file of data


def require_out(out: Path, what: str, inputs: Mapping[str, Path | None] | None = None) -> Path:
    """Return the file that --out names for `what`, "a JSON report". Raises LabError before any work is done.

    Refused are a folder, a file that the command reads (`inputs`: {what it is: path}), and the endings of pages, tables
    and figures, which are written beside a file of data under its name: one would overwrite the other.
    """
    if out.suffix.lower() in BESIDE:
        raise LabError(f"--out {out}: this is {what}; a name in {out.suffix} is for what is written beside it")
    if out.is_dir():
        raise LabError(f"--out {out}: a folder, expected a file: this is {what}")
    for name, path in (inputs or {}).items():
        if path is not None and out.resolve() == path.resolve():
            raise LabError(f"--out {out}: this is {name} itself")
    return out
