"""`lab course`: the labs, their solutions on purpose, and the notebooks made from their sources."""

from __future__ import annotations

from typing import Annotated

import typer

from lab_lib.cli.console import console

app = typer.Typer(no_args_is_help=True)


@app.command()
def ls() -> None:
    """List the labs with their titles and numbers of exercises."""
    from lab_lib.course.source import checkout, exercises, lab_sources
    from lab_lib.files import read_text

    for path in lab_sources(checkout()).values():
        text = read_text(path)
        title = next(line for line in text.splitlines() if line.startswith("# # "))
        print(f"{path.stem:24} {title[4:].partition(' · ')[2]} ({len(exercises(text))} exercises)")


@app.command()
def reveal(exercise: Annotated[str, typer.Argument(help="For example 04.2.")]) -> None:
    """Print one solution of an exercise."""
    from lab_lib.course.reveal import reveal as find

    print(find(exercise), end="")


@app.command()
def build(
    labs: Annotated[list[str] | None, typer.Argument(help="Numbers, for example 04. Default: all.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also what did not change.")] = False,
) -> None:
    """Make the student's notebook and the executed solution of each lab whose source changed."""
    from lab_lib.course.make import make
    from lab_lib.course.source import checkout

    make(checkout(), labs or [], force, console)


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
