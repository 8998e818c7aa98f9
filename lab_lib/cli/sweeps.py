"""`lab sweep`: a grid of runs. `lab run` uses it too if a recipe has a grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab_lib.cli.console import console, print_line
from lab_lib.errors import LabError

if TYPE_CHECKING:
    from lab_lib.sweeps.grid import Sweep


def sweep(
    recipe: Annotated[str, typer.Argument(help="A name from 'lab recipes ls', or a YAML file.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="section.key=value, for every run")] = None,
    grid: Annotated[
        list[str] | None, typer.Option(help="key=v1,v2,... (YAML values); may be repeated. Default: the recipe's grid.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Training seeds, for example 0,1,2. Default: the recipe's.")] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Number of parallel runs. Default: one per core, or one on a GPU.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the sweep. Default: runs/RECIPE-sweep.")] = None,
    member: Annotated[
        int | None, typer.Option(help="Make only this run of the grid, counted from 0 (one task of a job array).")
    ] = None,
    gather: Annotated[bool, typer.Option("--gather", help="Do not train; only tabulate finished runs.")] = False,
) -> None:
    """Run a grid of settings and seeds, score them on dev, and show a table and a figure with intervals."""
    from lab_lib.sweeps.grid import load_sweep

    found = load_sweep(recipe, overrides or [], grid or [], seeds)
    if found is None:
        raise LabError(f"{recipe}: the recipe has no section 'sweep'; give --grid key=v1,v2,...")
    if member is not None:
        _walk_member(found, member, out)
    elif gather:
        _gather(found, out)
    else:
        walk_sweep(found, jobs, out)


def _walk_member(found: Sweep, number: int, out: Path | None) -> None:
    """Make one run of a sweep in this process, and print its folder."""
    from lab_lib.runs.run import run

    refuse_decoding_alone(found)
    if not 0 <= number < len(found.members):
        raise LabError(f"--member {number}: the sweep has {len(found.members)} runs, 0 to {len(found.members) - 1}")
    one, path = found.members[number], folder_of(found, out)
    console.print(f"run {number} of {len(found.members)}: {one.name}", markup=False, highlight=False)
    print(run(one.config, path / one.name, console, ("train", "finetuned", "report")).path)


def _gather(found: Sweep, out: Path | None) -> None:
    """Write and print the summary of what is finished, and print the sweep's folder. Raises LabError for the rest."""
    from lab_lib.runs.folder import require_same
    from lab_lib.runs.inputs import require_unchanged
    from lab_lib.sweeps.processes import find_workers, unfinished
    from lab_lib.sweeps.summary import summarise

    path = folder_of(found, out)
    left = unfinished(found, path)
    for member in found.members:
        if member.name not in left:
            require_same(member.config, path / member.name)
            require_unchanged(member.config, path / member.name, print_line, loads=False)
    summarise(found, path, find_workers(1), left, console)
    print(path)
    for name, reason in left.items():
        console.print(f"{name}: {reason}", markup=False, highlight=False, soft_wrap=True)
    if left:
        raise LabError(f"{len(left)} of {len(found.members)} runs are not finished; see 'lab jobs resubmit {path}'")


def refuse_decoding_alone(found: Sweep) -> None:
    """Raise LabError for a grid of decoding settings, which would train the same adapter repeatedly."""
    first = found.members[0]
    ways = [member.config for member in found.members if member.seed == first.seed]
    same_training = all(replace(way, decoding=first.config.decoding) == first.config for way in ways)
    if first.config.training.steps == 0:  # nothing is trained, and a recipe may have a figure of its own
        return
    if all(key.startswith("decoding.") for key in first.settings) or (len(ways) > 1 and same_training):
        raise LabError(f"{found.recipe}: varies only decoding; train one run and use 'lab decode RUN --sweep'")


def folder_of(found: Sweep, out: Path | None) -> Path:
    """Return the folder of a sweep."""
    return out or Path("runs") / f"{found.recipe}-sweep"


def walk_sweep(found: Sweep, jobs: int | None, out: Path | None) -> None:
    """Run a sweep, write and print its summary, and print its folder. Raises LabError when runs failed."""
    from lab_lib.models.hardware import print_choices
    from lab_lib.sweeps.processes import find_workers, run_members
    from lab_lib.sweeps.summary import summarise

    refuse_decoding_alone(found)
    path = folder_of(found, out)
    workers = find_workers(jobs)
    console.print(f"[bold]{found.recipe}[/] in {path}: {found}")
    dev = "scored on dev items, because a sweep chooses a setting; the test split stays untouched"
    console.print(dev if found.report == "dev" else "scored on test items: no setting is chosen by this experiment")
    print_choices({"runs at once": workers.jobs, "threads a run": workers.threads}, console)
    failed = run_members(found, path, workers, console)
    summarise(found, path, workers, failed, console)
    print(path)
    if failed:
        raise LabError(f"{len(failed)} of {len(found.members)} runs failed; the same command tries them again")
