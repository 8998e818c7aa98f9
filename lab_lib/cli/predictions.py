"""`lab predictions`: to the layout of the MultiWOZ scorer mwzeval, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Convert prediction files."""


@app.command()
def export(
    source: Annotated[Path, typer.Argument(help="Our JSONL, or mwzeval JSON.")],
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    format: Annotated[Literal["mwzeval", "jsonl"], typer.Option(help="Layout of the target.")] = "mwzeval",
) -> None:
    """Convert a prediction file: one JSON row per turn <-> {dialogue: [turn, ...]}."""
    from lab_lib.decoding.predictions import export_mwzeval, read_predictions, write_predictions

    write = export_mwzeval if format == "mwzeval" else write_predictions
    print(write(read_predictions(source), target))
