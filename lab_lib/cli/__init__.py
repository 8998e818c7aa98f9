"""The command `lab`: one verb per stage of a run. Imports nothing heavy, so that `lab --help` is quick."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.markup import escape

from lab_lib import __version__
from lab_lib.cli import (
    ask,
    calls,
    course,
    data,
    dataflow,
    decoding,
    free,
    jobs,
    judge,
    models,
    pairs,
    predictions,
    publish,
    recipes,
    results,
    runs,
    scoring,
    structure,
    sweeps,
    understand,
)
from lab_lib.cli.arguments import understood
from lab_lib.cli.console import console
from lab_lib.errors import LabError
from lab_lib.machine.process import prepare_process
from lab_lib.models.fast_cpu.denormals import denormals_as_zero
from lab_lib.processes.settings import check_environment
from lab_lib.training.stopping import stopping_cleanly

app = typer.Typer(
    name="lab",
    help="Fine-tune language models for dialogue, and score them with the official metrics.",
    epilog="To begin: lab doctor, then lab demo. Every command has --help.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# Panels of `lab --help`, in the order in which people need them: single commands, then groups of commands.
VERBS: dict[str, tuple[Callable[..., None], ...]] = {
    "Start here": (runs.demo, runs.run, models.chat, models.doctor),
    "One stage of a run, or many runs": (runs.train, decoding.decode, scoring.evaluate, sweeps.sweep),
    "Use a trained model": (ask.serve, models.merge, publish.export, publish.push),
    "Look, measure, compare": (scoring.leaderboard, models.speed, structure.structure, free.generate, pairs.pairs),
}
GROUPS: dict[str, tuple[tuple[str, typer.Typer, str], ...]] = {
    "Start here": (
        ("recipes", recipes.app, "List, print, copy and check recipes."),
        ("course", course.app, "The labs: copy them to work in, see your points, print one solution."),
    ),
    "Data and models": (
        ("data", data.app, "Show, audit, generate and fetch corpora."),
        ("models", models.app, "Models on this machine: list, fetch, show, remove."),
        ("predictions", predictions.app, "Convert prediction files."),
    ),
    "Function calls, retrieval, emotions, dataflow": (
        ("calls", calls.app, "Skills of an assistant, and examples for training."),
        ("understand", understand.app, "Exemplars of functions, how many a prompt needs, an embedder."),
        ("judge", judge.app, "Judges of emotions: train one, and measure how reliable it is."),
        ("dataflow", dataflow.app, "Fine-tuning as a graph: run the changed steps, draw it."),
    ),
    "Clusters and result tables": (
        ("jobs", jobs.app, "Slurm jobs: submit runs, list their states, resubmit them."),
        ("results", results.app, "Rows of the result tables: submit, check, render."),
    ),
}
for panel, verbs in VERBS.items():
    for verb in verbs:
        app.command(rich_help_panel=panel)(verb)
for panel, groups in GROUPS.items():
    for name, group, text in groups:
        app.add_typer(group, name=name, help=text, rich_help_panel=panel)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"lab {__version__}")
        raise typer.Exit


@app.callback()
def everything(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Fine-tune language models for dialogue, and score them with the official metrics."""


def main() -> None:
    """Run the command line. Bad input: one line on stderr and exit code 2. Ctrl-C: 130. A signal: 128 + its number."""
    prepare_process()
    try:
        for note in check_environment():
            console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
        sys.argv[1:] = understood(sys.argv[1:], typer.main.get_command(app))
        with stopping_cleanly(), denormals_as_zero():
            app()
    except LabError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print("stopped; the same command resumes from here")
        sys.exit(130)
