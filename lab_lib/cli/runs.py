"""The commands that make runs: demo, run, train, evaluate. Each prints only the run folder on stdout."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from lab_lib.cli.console import console, own_command, print_line
from lab_lib.cli.sweeps import walk_sweep
from lab_lib.errors import LabError

if TYPE_CHECKING:
    from lab_lib.sweeps.grid import Sweep

Recipe = Annotated[str, typer.Argument(help="A name from 'lab recipes ls', or a YAML file.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="section.key=value, for example training.steps=100")]
Out = Annotated[Path | None, typer.Option(help="Run folder. An existing one is resumed. Default: runs/RECIPE-TIME.")]
Folder = Annotated[Path, typer.Argument(help="A run folder.")]
AFTER_BASE = ("train", "finetuned", "report")


def demo(out: Out = None) -> None:
    """Run the main job offline on the bundled corpus and model: 4 to 13 minutes on 2 cores."""
    print_line("Scores the bundled model, fine-tunes it, scores it again, writes a report: 4 to 13 minutes on 2 cores.")
    folder = walk_stages("town-qlora-cpu", [], out, ("base", *AFTER_BASE))
    print_line(f"Open {folder / 'report.html'} in a browser to read every dialogue side by side.")
    print_line(f"Now talk to the model: {shlex.join([*own_command(), 'chat', str(folder)])}  (add --web for a page)")
    print_line(f"One that tracks what you want, too: {shlex.join([*own_command(), 'chat', 'town-end-to-end'])}")


def run(
    recipe: Recipe,
    overrides: Overrides = None,
    out: Out = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, without doing it.")] = False,
    base: Annotated[bool, typer.Option("--base/--no-base", help="Decode and score the base model too.")] = True,
    processes: Annotated[int, typer.Option(min=1, help="Processes that share the work. CPU: as many as cores.")] = 1,
) -> None:
    """Run all stages: score the base model, fine-tune, score the adapter, write the report.

    A recipe with a section `sweep` is a grid of runs: it is run as `lab sweep` would.
    """
    from lab_lib.processes.rank import this_process
    from lab_lib.sweeps.grid import load_sweep

    found = load_sweep(recipe, overrides or [])
    if dry_run:
        _show_plan(recipe, overrides or [], found)
        return
    if found is not None:
        if processes > 1:
            raise LabError("--processes is for one run; the runs of a sweep share the cores: lab sweep --jobs")
        walk_sweep(found, None, out)
        return
    if processes > 1 and this_process().count == 1:
        raise typer.Exit(_run_together(processes, recipe, overrides or [], out, base))
    walk_stages(recipe, overrides or [], out, ("base", *AFTER_BASE) if base else AFTER_BASE)


def _run_together(processes: int, recipe: str, overrides: list[str], out: Path | None, base: bool) -> int:
    """Start several processes of `lab run`, once it is known that they can work; return their exit code."""
    from lab_lib.processes.together import run_together
    from lab_lib.runs.config import load_recipe
    from lab_lib.runs.context import plan_run
    from lab_lib.runs.folder import default_folder
    from lab_lib.training.arguments import micro_batch_among

    config = load_recipe(recipe, overrides)
    plan_run(config, ("base", *AFTER_BASE) if base else AFTER_BASE, Console(quiet=True))
    own = micro = config.training.micro_batch_size
    if config.training.steps != 0:
        micro = micro_batch_among(config.training, processes)
    smaller = [] if micro == own else [f"training.micro_batch_size={micro}"]
    folder = str(out or default_folder(config))
    words = [*overrides, *smaller, "--processes", str(processes), "--out", folder, *([] if base else ["--no-base"])]
    return run_together(processes, ["run", recipe, *words])


def _show_plan(recipe: str, overrides: list[str], found: Sweep | None) -> None:
    """Show the runs of a sweep, then all about the (first) run."""
    from lab_lib.runs.config import load_recipe
    from lab_lib.runs.dry_run import show_plan

    if found is None:
        show_plan(load_recipe(recipe, overrides), console)
        return
    for member in found.members:
        console.print(member.name, markup=False, highlight=False, soft_wrap=True)
    console.print(f"{found}; all scored on dev. The first of them:")
    show_plan(found.members[0].config, console)


def train(recipe: Recipe, overrides: Overrides = None, out: Out = None) -> None:
    """Fine-tune only: write the adapter to a run folder."""
    from lab_lib.sweeps.grid import load_sweep

    if found := load_sweep(recipe, overrides or []):
        console.print(f"one run with the recipe's own settings; 'lab run' makes its sweep of {found}")
    walk_stages(recipe, overrides or [], out, ("train",))


def evaluate(folder: Folder) -> None:
    """Score the replies of a run against oracle and trivial baselines, and write its report."""
    _again(folder, ("report",))


def walk_stages(recipe: str, overrides: list[str], out: Path | None, stages: tuple[str, ...]) -> Path:
    """Run some stages; of several processes only the first one prints."""
    from lab_lib.processes import slurm
    from lab_lib.processes.rank import this_process
    from lab_lib.runs.config import load_recipe
    from lab_lib.runs.folder import default_folder
    from lab_lib.runs.run import run as walk

    config, processes = load_recipe(recipe, overrides), this_process()
    if out is None and processes.count > 1 and slurm.job_id() is None:
        raise LabError("several processes need --out, because each would choose a different folder")
    folder = walk(config, out or default_folder(config), console if processes.first else Console(quiet=True), stages)
    if processes.first:
        print(folder.path)
    return folder.path


def _again(folder: Path, stages: tuple[str, ...]) -> None:
    from lab_lib.runs.config import load_run_config
    from lab_lib.runs.run import run as walk

    print(walk(load_run_config(folder), folder, console, stages).path)
