"""`lab jobs`: submit runs to Slurm, list how they ended, resubmit those that did not finish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_lib.cli import runs
from lab_lib.cli.arguments import parsed, require_recipe
from lab_lib.cli.console import console
from lab_lib.errors import LabError, nearest, one_line

app = typer.Typer(no_args_is_help=True)
Sbatch = Annotated[str, typer.Option(help="Options for sbatch, for example '--time=8:00:00 --partition=long'.")]
Places = Annotated[list[Path] | None, typer.Argument(help="Run folders, or folders of them. Default: runs")]


@app.command(context_settings={"ignore_unknown_options": True})
def submit(
    launcher: Annotated[str, typer.Argument(help="A script of scripts/ without .sh: train_qlora, run, decode, ...")],
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments of the launcher.")] = None,
    sbatch: Sbatch = "",
) -> None:
    """Submit one job. For a sweep, or for several runs to decode or score: a job array and a job that tabulates.

    Prints the number of the job, alone, on stdout; of an array and its second job both.
    """
    from lab_lib.cluster.sbatch import sbatch_options, submit_runs
    from lab_lib.cluster.sbatch import submit as hand_in

    name, given, options = launcher.removesuffix(".sh"), arguments or [], sbatch_options(sbatch)
    if name == "sweep" and "--member" not in given:
        _print_array(*_submit_sweep(given, options))
    elif name == "decode" and "--sweep" in given and "--member" not in given:
        _print_array(*_submit_decode_sweep(given, options))
    elif name in ("decode", "evaluate") and sum(Path(word).is_dir() for word in given) > 1:
        _print_array(*submit_runs(f"{name}.sh", given, options))
    else:
        if name in ("run", "train_qlora"):
            require_recipe(parsed(runs.run if name == "run" else runs.train, given))
        print(hand_in(f"{name}.sh", given, options))


def _submit_sweep(given: list[str], options: list[str]) -> tuple[str, str]:
    """Submit a sweep; its grid is built first, so that errors are found before a job waits in the queue."""
    from lab_lib.cli import sweeps
    from lab_lib.cluster.sbatch import submit_array
    from lab_lib.sweeps.grid import load_sweep

    values = parsed(sweeps.sweep, given)
    found = load_sweep(values["recipe"], values["overrides"] or [], values["grid"] or [], values["seeds"])
    if found is None:
        raise LabError(f"{values['recipe']}: the recipe has no section 'sweep'; give --grid key=v1,v2,...")
    sweeps.refuse_decoding_alone(found)
    console.print(str(found), highlight=False)
    return submit_array("sweep.sh", given, len(found.members), options)


def _submit_decode_sweep(given: list[str], options: list[str]) -> tuple[str, str]:
    from lab_lib.cli import decoding
    from lab_lib.cluster.sbatch import submit_array
    from lab_lib.sweeps.decoding import load_decode_sweep

    values = parsed(decoding.decode, given)
    if values["folder"] is None:
        raise LabError("decode --sweep needs a run folder")
    found = load_decode_sweep(values["folder"], values["overrides"] or [], values["grid"] or [], values["seeds"])
    return submit_array("decode.sh", given, len(found.members), options)


def _print_array(array: str, gather: str) -> None:
    console.print(f"array {array}, gathered by {gather}", highlight=False)
    print(array, gather)


@app.command()
def ls(places: Places = None) -> None:
    """List run folders with state, stage, job, score and the reason of a failure."""
    from lab_lib.cluster.jobs import find_jobs, main_score

    for job in find_jobs(places or [Path("runs")]):
        status = job.status
        words = (
            str(job.folder),
            job.state,
            str(status.get("stage", "-")),
            str(status.get("job", "-")),
            main_score(job),
        )
        reason = str(status.get("reason", "")).split("\n")[0]
        print("\t".join(map(one_line, (*words, reason))).rstrip())


@app.command()
def resubmit(
    places: Places = None,
    only: Annotated[
        str, typer.Option(help="Final states, joined by commas: oom, timeout, failed, interrupted.")
    ] = "timeout",
    sbatch: Sbatch = "",
) -> None:
    """Resubmit the runs that ended in one of these states. Each resumes from its last checkpoint.

    Prints the number of the job and the run folder, one line each, on stdout.
    """
    from lab_lib.cluster.jobs import ENDINGS, find_jobs, origin, require_ended
    from lab_lib.cluster.jobs import resubmit as hand_in
    from lab_lib.cluster.sbatch import sbatch_options

    wanted, options = only.split(","), sbatch_options(sbatch)
    for name in wanted:
        if name not in ENDINGS:
            raise LabError(f"--only {name}: no such ending{nearest(name, ENDINGS)}")
    jobs = [job for job in find_jobs(places or [Path("runs")]) if job.state in wanted]
    for job in jobs:
        origin(job)  # all or none are resubmitted
        require_ended(job)
    for job in jobs:
        print(hand_in(job, options), job.folder)
    console.print(f"{len(jobs)} resubmitted", highlight=False)
