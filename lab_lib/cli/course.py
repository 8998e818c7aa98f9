"""`lab course`: the labs, their solutions on purpose, and the notebooks made from their sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.console import console, print_line

app = typer.Typer(no_args_is_help=True)


@app.command()
def ls() -> None:
    """List the labs with their titles, exercises, and minutes: for the core, and for everything but projects."""
    from lab_lib.course.source import checkout, exercises, lab_sources
    from lab_lib.course.times import minutes
    from lab_lib.files import read_text

    for number, path in lab_sources(checkout()).items():
        text = read_text(path)
        title = next(line for line in text.splitlines() if line.startswith("# # ")).partition(" · ")[2]
        time = minutes(number)
        print(f"{path.stem:24} {title} ({len(exercises(text))} exercises, {time.core} to {time.all} minutes)")


@app.command()
def start(
    folder: Annotated[Path, typer.Argument(help="A new folder, outside of the checkout; ~/lab for example.")],
    emoji: Annotated[bool, typer.Option("--emoji/--no-emoji", help="Points as grapes, or in words.")] = True,
) -> None:
    """Make a copy to work in: the notebooks and the data. Notebooks that are there are kept."""
    from lab_lib.course.start import start as copy

    folder = folder.expanduser()
    for line in copy(folder, emoji):
        print_line(line)
    console.print(f"Open it with: jupyter lab {folder}", markup=False, highlight=False, soft_wrap=True)
    print(folder)


@app.command()
def progress(
    folder: Annotated[Path, typer.Argument(help="The folder of your notebooks. Default: this one.")] = Path(),
) -> None:
    """Show the points of the exercises that are solved in a folder of notebooks."""
    from lab_lib.course.progress import earned, table

    for line in table(earned(folder)):
        print(line)


@app.command()
def reveal(exercise: Annotated[str, typer.Argument(help="For example 04.2, or 4.2.")]) -> None:
    """Print one solution of an exercise."""
    from lab_lib.course.reveal import reveal as find

    print(find(exercise), end="")


@app.command()
def build(
    labs: Annotated[list[str] | None, typer.Argument(help="Numbers, for example 04. Default: all.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Rebuild unchanged notebooks too.")] = False,
    for_class: Annotated[
        Path | None, typer.Option("--class", help="Write notebooks for a class into this folder, without solutions.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="With --class: decides the inputs of the checks.")] = 0,
) -> None:
    """Make the student's notebook and the executed solution of each lab whose source changed.

    With --class only the students' notebooks are written: no "Stuck?", no solutions, other inputs in the checks.
    """
    from lab_lib.course.make import make
    from lab_lib.course.source import checkout
    from lab_lib.course.start import build_class

    if for_class is None:
        make(checkout(), labs or [], force, console)
        return
    for line in build_class(for_class.expanduser(), labs or [], seed):
        print_line(line)


@app.command()
def check() -> None:
    """Compare the stored notebooks with their sources; exit code 1 when one differs or holds what it should not."""
    from lab_lib.course.source import checkout, lab_sources
    from lab_lib.course.verify import faults

    found = faults(checkout())
    for fault in found:
        console.print(fault, highlight=False, soft_wrap=True)
    console.print(f"{len(lab_sources(checkout()))} labs, {len(found)} faults")
    raise typer.Exit(1 if found else 0)
