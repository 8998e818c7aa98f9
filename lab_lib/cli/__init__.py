"""The command `lab`: one verb a stage of the corridor. Imports nothing heavy, so that `lab --help` is quick."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

import typer
from rich.markup import escape

from lab_lib.cli import data, decoding, free, models, predictions, recipes, runs, scoring, structure, sweeps
from lab_lib.cli.console import console
from lab_lib.errors import LabError
from lab_lib.runs.allocator import keep_freed_memory

app = typer.Typer(
    name="lab",
    help="Fine-tune language models for dialogue and score them so that the numbers can be trusted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS: tuple[Callable[..., None], ...] = (
    *(runs.demo, runs.run, sweeps.sweep, runs.train, decoding.decode, scoring.evaluate, scoring.leaderboard),
    *(models.merge, models.chat, models.speed, models.doctor, free.generate, structure.structure),
)
for verb in VERBS:
    app.command()(verb)
app.add_typer(data.app, name="data", help="Look at, audit, make and fetch corpora.")
app.add_typer(recipes.app, name="recipes", help="List, print, copy and check recipes.")
app.add_typer(predictions.app, name="predictions", help="Convert prediction files.")


def main() -> None:
    """Run the command line. Bad input: one line on stderr and exit code 2. Ctrl-C: exit code 130."""
    # Threads that spin while they wait for work slow everything else on the machine down tenfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Compiled kernels of oneDNN are kept with their memory; the default of 1,024 is gigabytes with changing lengths.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
    # Our own lines say what is loaded and why; the libraries' remarks are for their developers.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    keep_freed_memory()
    try:
        app()
    except LabError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on from here")
        sys.exit(130)
