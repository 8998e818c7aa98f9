"""The command `lab`: one verb per stage of a run. Imports nothing heavy, so that `lab --help` is quick."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer
from rich.markup import escape

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
from lab_lib.cli.console import console
from lab_lib.errors import LabError
from lab_lib.machine.process import prepare_process
from lab_lib.models.fast_cpu.denormals import denormals_as_zero
from lab_lib.processes.settings import check_environment
from lab_lib.training.stopping import stopping_cleanly

app = typer.Typer(
    name="lab",
    help="Fine-tune language models for dialogue, and score them with the official metrics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS: tuple[Callable[..., None], ...] = (
    *(runs.demo, runs.run, sweeps.sweep, runs.train, decoding.decode, scoring.evaluate, scoring.leaderboard),
    *(models.merge, models.chat, models.speed, models.doctor, free.generate, structure.structure),
    *(publish.export, publish.push, ask.serve, pairs.pairs),
)
for verb in VERBS:
    app.command()(verb)
app.add_typer(calls.app, name="calls", help="Skills of an assistant, and examples for training.")
app.add_typer(understand.app, name="understand", help="Exemplars of functions, how many a prompt needs, an embedder.")
app.add_typer(data.app, name="data", help="Show, audit, generate and fetch corpora.")
app.add_typer(judge.app, name="judge", help="Judges of emotions: train one, and measure how reliable it is.")
app.add_typer(
    dataflow.app, name="dataflow", help="Fine-tuning as a graph of steps: run the changed steps, draw the graph."
)
app.add_typer(models.app, name="models", help="Models on this machine: list, fetch, show, remove.")
app.add_typer(recipes.app, name="recipes", help="List, print, copy and check recipes.")
app.add_typer(results.app, name="results", help="Rows of the result tables: submit, check, render.")
app.add_typer(jobs.app, name="jobs", help="Slurm jobs: submit runs, list their states, resubmit them.")
app.add_typer(course.app, name="course", help="The labs: list them, print one solution, build the notebooks.")
app.add_typer(predictions.app, name="predictions", help="Convert prediction files.")


def main() -> None:
    """Run the command line. Bad input: one line on stderr and exit code 2. Ctrl-C: 130. A signal: 128 + its number."""
    prepare_process()
    try:
        for note in check_environment():
            console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
        with stopping_cleanly(), denormals_as_zero():
            app()
    except LabError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print("stopped; the same command resumes from here")
        sys.exit(130)
