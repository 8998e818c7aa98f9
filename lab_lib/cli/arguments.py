"""Parse the arguments of a command before it is started as a job, which may wait for hours, or by several processes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lab_lib.errors import LabError

if TYPE_CHECKING:
    from lab_lib.sweeps.grid import Sweep


def parsed(verb: Any, given: list[str]) -> dict[str, Any]:
    """Return the arguments of a command as its own parser reads them; invalid ones end with its usage message."""
    own = typer.Typer(add_completion=False)
    own.command()(verb)
    return dict(typer.main.get_command(own).make_context(verb.__name__, list(given)).params)


WITH_RECIPE = ("run", "train", "sweep", "speed")  # verbs that take a recipe and its settings
FIRST_RECIPE = "town-qlora-cpu"


def understood(words: list[str], commands: Any) -> list[str]:
    """Return the words after `lab`, with `help` as `--help`. Raises LabError where the parser would only say "unknown".

    That is a setting given as an option (`--steps 5`), and a command that needs a recipe without one. `commands` is the
    command line.
    """
    if words[:1] == ["help"]:
        return [*words[1:], "--help"]
    verb, rest = words[0] if words else "", words[1:]
    if verb in WITH_RECIPE:
        _refuse_settings_as_options(verb, rest, commands)
    if verb in ("run", "train", "sweep") and not rest:
        raise LabError(f"lab {verb} needs a recipe; the first one to try: lab {verb} {FIRST_RECIPE} (lab recipes ls)")
    return words


def _refuse_settings_as_options(verb: str, words: list[str], commands: Any) -> None:
    """Raise LabError for an option that is a setting of recipes."""
    from lab_lib.runs.config import settings_called

    known = {name for option in commands.commands[verb].params for name in (*option.opts, *option.secondary_opts)}
    for place, word in enumerate(words):
        option, equals, value = word.partition("=")
        if not option.startswith("--") or option in known or option in ("--", "--help"):
            continue
        following = words[place + 1] if place + 1 < len(words) else ""
        value = value if equals else ("VALUE" if not following or following.startswith("-") else following)
        found = settings_called(option[2:].replace("-", "_"))
        if found:
            raise LabError(f"{option} is not an option: settings have no dashes; write {_written(found, value)}")


def _written(settings: list[str], value: str) -> str:
    return " or ".join(f"{setting}={value}" for setting in settings)


def require_recipe(values: Mapping[str, Any]) -> Sweep | None:
    """Return the sweep of the recipe that these arguments of `run` or `train` name; None when it is a single run.

    Raises LabError for an unknown recipe, key or value.
    """
    from lab_lib.runs.config import load_recipe
    from lab_lib.sweeps.grid import load_sweep

    recipe, overrides = values["recipe"], values["overrides"] or []
    load_recipe(recipe, overrides)
    return load_sweep(recipe, overrides)


BESIDE = (".html", ".md", ".png", ".svg")  # endings of files that commands write beside a data file


def require_out(out: Path, what: str, inputs: Mapping[str, Path | None] | None = None) -> Path:
    """Return the file that --out names for `what`, "a JSON report". Raises LabError before any work is done.

    Refused are a folder, a file that the command reads (`inputs`: {what it is: path}), and the endings of pages, tables
    and figures, which are written beside a file of data under its name: one would overwrite the other.
    """
    if out.suffix.lower() in BESIDE:
        raise LabError(f"--out {out}: this is {what}; names with {out.suffix} are reserved for the files beside it")
    if out.is_dir():
        raise LabError(f"--out {out}: a folder, expected a file: this is {what}")
    for name, path in (inputs or {}).items():
        if path is not None and out.resolve() == path.resolve():
            raise LabError(f"--out {out}: this is {name} itself")
    return out
