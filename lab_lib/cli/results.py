"""`lab results`: rows of the result tables, by pull request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli.console import console, print_line
from lab_lib.errors import LabError, one_line

app = typer.Typer(no_args_is_help=True)
Results = Annotated[Path, typer.Option("--results", help="The folder results/ of your checkout.")]
HERE = Path("results")


@app.command()
def submit(
    run: Annotated[Path, typer.Argument(help="A run folder, or a file of 'lab speed --out FILE'.")],
    who: Annotated[str, typer.Option(help="Your GitHub name, in lower case.")],
    table: Annotated[
        str | None,
        typer.Option(
            help="off-the-shelf, decoding or training. Default: off-the-shelf for --system base, else training."
        ),
    ] = None,
    system: Annotated[str, typer.Option(help="base or finetuned.")] = "finetuned",
    name: Annotated[
        str | None, typer.Option(help="Name of the row in the table. Default: base model or fine-tuned.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="One sentence for readers of the row.")] = None,
    results: Results = HERE,
) -> None:
    """Write a row with its predictions under results/, checked as the pull request's check will."""
    from lab_lib.submissions.submit import submit_run, submit_speed

    root = _folder(results)
    if run.is_file():
        path = submit_speed(run, who, root, note)
    else:
        path = submit_run(run, table, who, root, system, name, note, print_line)
    console.print("commit this row and its predictions, run 'lab results render', and open a pull request")
    print(path)


@app.command()
def check(
    base: Annotated[str | None, typer.Option(help="Score only the rows that are new since this commit.")] = None,
    author: Annotated[
        str | None, typer.Option(help="With --base: the author of the pull request; rows of others get a remark.")
    ] = None,
    results: Results = HERE,
) -> None:
    """Check rows and tables, and score their predictions again. Exit code 1 if anything is wrong."""
    from lab_lib.submissions.changes import Changes, find_changes, merged_since
    from lab_lib.submissions.check import Findings, check_all, of_merged, of_others
    from lab_lib.submissions.copies import Copies
    from lab_lib.submissions.render import stale

    root = _folder(results)
    changes = find_changes(root, base) if base else Changes(set(), [], [])
    findings = Findings() if changes.too_many else check_all(root, changes.new if base else None)
    copies = of_merged(findings, changes.new, merged_since(root, base)) if base else Copies()
    faults = [*changes.faults, *findings.faults, *copies.faults]
    faults += stale(root) if not faults else []
    others = of_others(findings, changes.new, author) if author else []
    remarks = [*changes.remarks, *findings.remarks, *copies.remarks, *others]
    for word, lines in (("look", remarks), ("wrong", faults)):
        for line in lines:
            console.print(f"{word}: {one_line(line)}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{len(findings.rows)} rows right, {len(faults)} faults, {len(remarks)} remarks")
    raise typer.Exit(1 if faults else 0)


@app.command()
def render(results: Results = HERE) -> None:
    """Make the tables of README.md and results/README.md, and their figures, from the rows."""
    from lab_lib.submissions.render import write

    for path in write(_folder(results)):
        print(path)


@app.command()
def comment(base: Annotated[str, typer.Option(help="The target branch.")], results: Results = HERE) -> None:
    """Print, as Markdown, each row that is new since BASE, with its neighbours in the table."""
    from lab_lib.submissions.changes import find_changes
    from lab_lib.submissions.comment import comment as text

    root = _folder(results)
    print(text(root, find_changes(root, base).new), end="")


def _folder(results: Path) -> Path:
    """Return the folder of the rows. Raises LabError where there is none, or a link that leads to other rows."""
    if results.is_symlink() or not results.is_dir():
        raise LabError(f"{results}: no such folder; run this in a checkout, or say where with --results")
    return results.resolve()
